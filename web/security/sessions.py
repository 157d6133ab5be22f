"""Sessions of the page: a signed cookie that tells which key was shown, and since when. The key itself is not in it.

A session ends when its time is up, when its owner signs out (Redis remembers that until it would have ended), and when
its key is no longer among the settings.
"""

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256

from flask import Response, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from shared.api_keys import ApiKey
from web.security.cookies import cookie_name, set_cookie
from web.services import services

_SALT = "charloom session"
_COOKIE = "session_"


@dataclass(frozen=True, kw_only=True)
class Session:
    """One browser that showed a key."""

    id: str
    key: ApiKey


def begin(response: Response, key: ApiKey) -> None:
    """Let this answer begin a session for the key."""
    value = _serializer().dumps([secrets.token_hex(16), _fingerprint(key)])
    set_cookie(response, cookie_name(_COOKIE), value, max_age_s=_lifetime_s())


def present() -> Session | None:
    """Return the session that the present request belongs to, if it lasts.

    Raises StoreUnavailable where Redis can't say whether it was ended, VolumeUnavailable where the signing key is away.
    """
    sent = request.cookies.get(cookie_name(_COOKIE))
    if sent is None:
        return None
    try:
        session_id, fingerprint = _serializer().loads(sent, max_age=_lifetime_s())
    except (BadSignature, ValueError, TypeError):
        return None
    key = next(
        (key for key in services().settings.api_keys if hmac.compare_digest(_fingerprint(key), fingerprint)), None
    )
    if key is None or services().store.door.has_ended(session_id):
        return None
    g.session_id = session_id
    return Session(id=session_id, key=key)


def present_id() -> str:
    """Return the id of the session that the request was let in by, "" where it was none."""
    found: str = g.get("session_id", "")
    return found


def end(response: Response) -> None:
    """End the present session, everywhere it may have been copied to, and let the browser forget it.

    Raises StoreUnavailable; it goes on then.
    """
    if present_id():
        services().store.door.end_session(present_id(), left_s=_lifetime_s())
    set_cookie(response, cookie_name(_COOKIE), "", max_age_s=0)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        services().secret.get(), salt=_SALT, signer_kwargs={"key_derivation": "hmac", "digest_method": sha256}
    )


def _fingerprint(key: ApiKey) -> str:
    """Name a key for the cookie; nobody can try keys against it without the signing key."""
    return hmac.new(services().secret.get(), b"session" + key.digest, sha256).hexdigest()


def _lifetime_s() -> int:
    return max(1, round(services().settings.session_hours * 3600))
