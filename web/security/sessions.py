"""Sessions of the page: a signed cookie that names the key which was presented, and when. It doesn't contain the key.

A session ends when its time is up, when its owner signs out (Redis remembers that until it would have ended), and when
its key is no longer among the settings.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from flask import Response, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from shared.api_keys import ApiKey
from web.security.cookies import cookie_name, set_cookie
from web.services import Services, services

_SALT = "charloom session"
_COOKIE = "session_"


@dataclass(frozen=True, kw_only=True)
class Session:
    """One browser that has presented a key."""

    id: str
    key: ApiKey


def begin(response: Response, key: ApiKey) -> None:
    """Begin a session for the key with this response."""
    here = services()
    value = _serializer(here).dumps([secrets.token_hex(16), _fingerprint(here, key)])
    set_cookie(response, cookie_name(_COOKIE), value, max_age_s=_lifetime_s(here))


def present() -> Session | None:
    """Return the session that the current request belongs to, unless it is over.

    Raises StoreUnavailable if Redis can't say whether it was ended, VolumeUnavailable if the signing key can't be read.
    """
    sent = request.cookies.get(cookie_name(_COOKIE))
    session = None if sent is None else _read(services(), sent)
    if session is not None:
        g.session_id, g.session_cookie = session.id, sent
    return session


def lasting() -> Callable[[], bool]:
    """Return a function that returns False once the session of the current request is over.

    It can be called after the request, by what streams its response, and raises as `present` does. Without a session it
    returns True.
    """
    sent, here = g.get("session_cookie"), services()
    return lambda: sent is None or _read(here, sent) is not None


def _read(here: Services, sent: str) -> Session | None:
    try:
        session_id, fingerprint = _serializer(here).loads(sent, max_age=_lifetime_s(here))
    except (BadSignature, ValueError, TypeError):
        return None
    keys = here.settings.api_keys
    key = next((key for key in keys if hmac.compare_digest(_fingerprint(here, key), fingerprint)), None)
    if key is None or here.store.login_attempts.has_ended(session_id):
        return None
    return Session(id=session_id, key=key)


def present_id() -> str:
    """Return the id of the session that the current request was authenticated by, "" if there is none."""
    found: str = g.get("session_id", "")
    return found


def end(response: Response) -> None:
    """End the current session, everywhere it may have been copied to, and delete the browser's cookie.

    Raises StoreUnavailable; the session then continues.
    """
    here = services()
    if present_id():
        here.store.login_attempts.end_session(present_id(), left_s=_lifetime_s(here))
    set_cookie(response, cookie_name(_COOKIE), "", max_age_s=0)


def _serializer(here: Services) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        here.secret.get(), salt=_SALT, signer_kwargs={"key_derivation": "hmac", "digest_method": sha256}
    )


def _fingerprint(here: Services, key: ApiKey) -> str:
    """Name a key for the cookie; nobody can try keys against it without the signing key."""
    return hmac.new(here.secret.get(), b"session" + key.digest, sha256).hexdigest()


def _lifetime_s(here: Services) -> int:
    return max(1, round(here.settings.session_hours * 3600))
