"""How our cookies are named and set: for this host alone, out of reach of scripts, over https only where that is."""

import hashlib

from flask import Response, request

from web.services import services


def cookie_name(purpose: str = "") -> str:
    """Name a cookie by the signing key too: two services on one host's ports share a browser's cookies.

    Over https the name begins with `__Host-`: browsers then take it from this very host only, never from a sibling.
    Raises VolumeUnavailable.
    """
    service = hashlib.sha256(b"cookie" + services().secret.get()).hexdigest()[:8]
    return f"{'__Host-' if request.is_secure else ''}charloom_{purpose}{service}"


def set_cookie(response: Response, name: str, value: str, *, max_age_s: int | None = None) -> None:
    """Set a cookie; without `max_age_s` it lasts as long as the browser runs, with 0 it is forgotten."""
    response.set_cookie(
        name, value, max_age=max_age_s, path="/", httponly=True, samesite="Lax", secure=request.is_secure
    )
