"""How cookies are named and set: for this host only, out of reach of scripts, `Secure` with https."""

import hashlib

from flask import Response, request

from web.services import services


def cookie_name(purpose: str = "") -> str:
    """Return a cookie's name. It depends on the signing key: services on several ports of a host share the cookies.

    Over https it begins with `__Host-`: browsers then accept it from this host only, not from a sibling domain.
    Raises VolumeUnavailable.
    """
    service = hashlib.sha256(b"cookie" + services().secret.get()).hexdigest()[:8]
    return f"{'__Host-' if request.is_secure else ''}charloom_{purpose}{service}"


def set_cookie(response: Response, name: str, value: str, *, max_age_s: int | None = None) -> None:
    """Set a cookie; without `max_age_s` it lasts until the browser is closed, with 0 it is deleted."""
    response.set_cookie(
        name, value, max_age=max_age_s, path="/", httponly=True, samesite="Lax", secure=request.is_secure
    )
