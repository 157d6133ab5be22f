"""How often one caller may call, and how many jobs of theirs may wait. Both are off until they are set.

Counted are calls of the API, and what the page sends in; looking at pages is not, since they refresh themselves. The
headers are those of the IETF's draft "RateLimit header fields for HTTP".
"""

import math

from flask import Flask, Response, g, request

from shared.jobs.record import Job, NewJob
from shared.settings import Rate
from shared.store import Allowance
from web.http.problems import TooManyCalls
from web.http.uploads import Upload
from web.security.callers import caller
from web.security.origin_checks import READING
from web.services import Services, services, services_of
from web.submission.enqueue import submit

_API = "/api/v1/"


def install(app: Flask) -> None:
    """Count the requests of this app, where a rate is set, once it is known who calls; `door` comes first."""
    if services_of(app).settings.rate is not None:
        app.before_request(check)
        app.after_request(_put_headers)


def check() -> None:
    """Count the present request. Raises TooManyCalls."""
    here = services()
    rate = here.settings.rate
    if rate is None or not (request.path.startswith(_API) or request.method not in READING):
        return
    allowance = here.store.rates.count(caller(), rate)
    g.allowance = allowance
    if not allowance.granted:
        wait_s = max(1, math.ceil(allowance.retry_s))
        raise TooManyCalls(f"You may call {rate.spelled}. Call again in {wait_s} s.", retry_s=wait_s)


def queue(here: Services, job: NewJob, *, repeated: bool = False, upload: Upload | None = None) -> Job:
    """Queue a job for the present caller.

    Args:
        here: where to.
        job: what is to be done.
        repeated: as for `submit`.
        upload: an import's file.

    Raises:
        TooManyQueued: as many of the caller's jobs wait as may.
    """
    return submit(
        job,
        store=here.store,
        broker=here.broker,
        volume=here.volume,
        upload=upload.stream if upload is not None else None,
        max_bytes=here.settings.max_model_bytes,
        repeated=repeated,
        caller=caller(),
        most_queued=here.settings.max_queued,
    )


def _put_headers(response: Response) -> Response:
    allowance: Allowance | None = g.get("allowance")
    rate: Rate | None = services().settings.rate
    if allowance is not None and rate is not None:
        response.headers["RateLimit-Policy"] = f'"default";q={rate.calls};w={rate.period_s:g}'
        response.headers["RateLimit"] = f'"default";r={allowance.left};t={math.ceil(allowance.full_in_s)}'
    return response
