"""Authentication: with keys set, every caller presents one, as `Authorization: Bearer` or by a session of the page.

Programs get 401; a browser that asks for a page is redirected to `/login`. An address that has sent ten different
wrong keys gets 429 for further ones for ten minutes, but a valid key is always accepted. A client that repeats
the same wrong key counts once. Knows nothing of HTML.
"""

import hashlib
import hmac
import logging
from collections.abc import Sequence
from urllib.parse import urlencode

from flask import Flask, redirect, request
from werkzeug.wrappers import Response

from shared import api_keys
from shared.api_keys import ApiKey
from shared.errors import StoreUnavailable
from web.http.errors import Forbidden, TooManyTries, Unauthorized
from web.http.problems import for_programs
from web.security import metrics_access, sessions
from web.security.callers import address, let_in, let_in_by
from web.security.origin_checks import READING
from web.services import Services, services, services_of

log = logging.getLogger(__name__)

#: Where a session begins and ends.
LOGIN, LOGOUT = "/login", "/logout"
#: Open to all: liveness, readiness (details only for authenticated callers), the sign-in page and its files.
_OPEN = frozenset({"/healthz", "/readyz", LOGIN})
_OPEN_FOLDER = "/static/"
#: Different wrong keys of one address after which its wrong keys are answered 429.
MAX_WRONG_KEYS = 10


def install(app: Flask) -> None:
    """Check every request of this app if keys are set, after `origin_checks`."""
    if services_of(app).settings.api_keys:
        app.before_request(check)


def check() -> Response | None:
    """Authenticate the current request; return a redirect to the sign-in page, or raise, if that fails."""
    if request.path in _OPEN or request.path.startswith(_OPEN_FOLDER) or metrics_access.is_allowed():
        return None
    bearer = _bearer()
    if bearer is not None:
        let_in(presented_key(bearer))
        return None
    session = sessions.present()
    if session is not None:
        let_in(session.key)
        _check_own_script()
        return None
    if for_programs(request.path):
        raise Unauthorized
    if request.method in ("GET", "HEAD"):
        wanted = request.full_path.removesuffix("?")
        return redirect(LOGIN if wanted == "/" else f"{LOGIN}?{urlencode({'next': wanted})}", 303)
    raise Unauthorized("You are not signed in any more. Sign in, go back, load the page again and send it once more.")


def presented_key(presented: str) -> ApiKey:
    """Return the key that was presented.

    Raises:
        Unauthorized: it is none of the keys.
        TooManyTries: it is none of the keys, and too many wrong ones came from this address.
    """
    here = services()
    key = api_keys.find(here.settings.api_keys, presented)
    if key is None:
        _check_tries(here)
        _note_wrong(here, presented)
        raise Unauthorized("This key doesn't open the service.", wrong=True)
    return key


def is_known() -> bool:
    """Return True if the caller of an open address may see details: no keys are set, or a valid one was presented."""
    if not services().settings.api_keys or let_in_by() is not None:
        return True
    try:
        bearer = _bearer()
        return presented_key(bearer) is not None if bearer is not None else sessions.present() is not None
    except (Unauthorized, TooManyTries, StoreUnavailable):
        return False


def _bearer() -> str | None:
    """Return the key in the request's headers. Other schemes may be a proxy's."""
    sent = request.headers.get("Authorization", "")
    scheme, _, token = sent.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _check_own_script() -> None:
    """Raise Forbidden if a session writes to the API without proof that one of our own pages sent the request.

    The pages' forms send a token instead; `origin_checks` has refused other origins.
    """
    if request.method in READING or not for_programs(request.path):
        return
    if "Origin" not in request.headers and request.headers.get("Sec-Fetch-Site") != "same-origin":
        raise Forbidden("A session may change things from the service's own pages only. Programs show a key instead.")


def _check_tries(here: Services) -> None:
    try:
        count, left_s = here.store.login_attempts.wrong_keys(address())
    except StoreUnavailable:  # keys are too long to be guessed; the count only keeps the noise down
        return
    if count >= MAX_WRONG_KEYS:
        raise TooManyTries(
            f"This key doesn't open the service, and {count} wrong ones came from your address. Try again in {left_s} "
            "seconds.",
            retry_s=left_s,
        )


def _note_wrong(here: Services, presented: str) -> None:
    # 32 bits: enough to distinguish ten tries, too few to recover what was mistyped.
    mark = hmac.new(_marking_key(here.settings.api_keys), presented.encode("utf-8", "surrogatepass"), hashlib.sha256)
    try:
        if here.store.login_attempts.note_wrong_key(address(), mark.hexdigest()[:8]):
            log.warning("A wrong key was sent from %s", address())
    except StoreUnavailable:
        log.warning("A wrong key was sent from %s; with Redis away it isn't counted", address())


def _marking_key(keys: Sequence[ApiKey]) -> bytes:
    return hashlib.sha256(b"mark" + b"".join(key.digest for key in keys)).digest()
