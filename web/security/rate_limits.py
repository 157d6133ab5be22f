"""How often one caller may call; off by default.

Calls of the API count, and what the pages send; loading pages doesn't, since they refresh themselves. The headers
are those of the IETF's draft "RateLimit header fields for HTTP".
"""

import math

from flask import Flask, Response, g, request

from shared.setting_forms import Rate
from shared.store import Allowance
from web.http.errors import TooManyCalls
from web.security.callers import caller
from web.security.origin_checks import READING
from web.services import services, services_of

_API = "/api/v1/"


def install(app: Flask) -> None:
    """Count the requests of this app if a rate is set, after `auth`, which finds the caller."""
    if services_of(app).settings.rate is not None:
        app.before_request(check)
        app.after_request(_put_headers)


def check() -> None:
    """Count the current request. Raises TooManyCalls."""
    here = services()
    rate = here.settings.rate
    if rate is None or not (request.path.startswith(_API) or request.method not in READING):
        return
    allowance = here.store.rates.count(caller(), rate)
    g.allowance = allowance
    if not allowance.granted:
        wait_s = max(1, math.ceil(allowance.retry_s))
        raise TooManyCalls(f"You may call {rate.text}. Call again in {wait_s} s.", retry_s=wait_s)


def _put_headers(response: Response) -> Response:
    allowance: Allowance | None = g.get("allowance")
    rate: Rate | None = services().settings.rate
    if allowance is not None and rate is not None:
        response.headers["RateLimit-Policy"] = f'"default";q={rate.calls};w={rate.period_s:g}'
        response.headers["RateLimit"] = f'"default";r={allowance.left};t={math.ceil(allowance.full_in_s)}'
    return response
