"""Refuse what a browser can be made to send for somebody else, and add the headers that isolate the pages.

With no keys set the service trusts everybody who reaches it, so a web page elsewhere must not reach it through a
user's browser. The check of `Host` stops DNS rebinding (another name that is made to point here), the checks of
`Origin` and `Sec-Fetch-Site` stop forms and scripts of other sites. `Host` is checked with CHARLOOM_ALLOW_ANONYMOUS
too: that setting only allows to bind other addresses than loopback; CHARLOOM_ALLOWED_HOSTS names the hosts. With keys
set a page that rebinds a name has no session to use, so any name is accepted until some are set. Keys are checked by
`web/security/auth.py`.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, request

from shared.settings import PREFIX
from web.http.errors import Forbidden, Malformed
from web.security import metrics_access, sessions
from web.security.callers import let_in_by
from web.services import services

#: Methods that change nothing.
READING = frozenset({"GET", "HEAD", "OPTIONS"})
#: A load balancer asks for it by address, so any name is accepted there.
_OPEN_PATH = "/healthz"
#: `Host`: a name or an address, and a port (RFC 3986, 3.2.2, without characters that no host name here has).
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")
_MAX_PORT = 65_535

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
#: Sent over https: the browser uses https alone for a year.
_ONLY_HTTPS = "max-age=31536000"


def install(app: Flask) -> None:
    """Check every request of this app, and add the headers to every response."""
    app.before_request(check)
    app.after_request(_add_headers)
    app.wsgi_app = _with_headers(app.wsgi_app)  # type: ignore[assignment, method-assign]


def check() -> None:
    """Raise Malformed or Forbidden unless the current request may be answered."""
    host = request.environ.get("HTTP_HOST", "")
    name = hostname(host)
    if name is None:
        raise Malformed("The header `Host` must be a host name or an address, with or without a port.")
    settings = services().settings
    any_name = bool(settings.api_keys) and not settings.allowed_hosts
    free = any_name or request.path == _OPEN_PATH or metrics_access.is_allowed()
    if not free and not is_own_name(host, settings.allowed_hosts):
        raise Forbidden(
            f"The service is not called {name!r}. Call it by localhost or 127.0.0.1, or put the name into "
            f"{PREFIX}ALLOWED_HOSTS."
        )
    if request.method in READING:
        return
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    if site not in ("none", "same-origin") or (origin is not None and _foreign(origin, host)):
        raise Forbidden(
            "Only the service's own pages and programs may change things; this request comes from elsewhere."
        )


def is_own_name(host: str, allowed: Sequence[str]) -> bool:
    """Return True if `Host` is a loopback name or an allowed one, with any port."""
    return _is_own_name(host, tuple(allowed))


@lru_cache(maxsize=256)
def _is_own_name(host: str, allowed: tuple[str, ...]) -> bool:
    name = hostname(host)
    if name == "localhost" or name in {entry.lower() for entry in allowed}:
        return True
    try:
        return ipaddress.ip_address(name or "").is_loopback
    except ValueError:
        return False


def hostname(host: str) -> str | None:
    """Return the name or address in a `Host`, in lower case; "" if there is none, None if it is malformed."""
    found = _HOST.fullmatch(host)
    if found is None or int(found[2] or 0) > _MAX_PORT:
        return None if host else ""
    return found[1].strip("[]").removesuffix(".").lower()


def _foreign(origin: str, host: str) -> bool:
    try:
        parsed = urlsplit(origin)
        return parsed.scheme not in ("http", "https") or parsed.netloc.lower() != host.lower()
    except ValueError:
        return True


def _with_headers(inner: "WSGIApplication") -> "WSGIApplication":
    """Add the headers that are always the same. In `after_request` they took a tenth of a short call's time."""

    def outer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            return start_response(status, [*headers, *_HEADERS], *exc_info)

        return inner(environ, start)

    return outer


def _add_headers(response: Response) -> Response:
    # A browser applies it to all ports of a name, so the loopback names must be left out.
    if request.is_secure and not is_own_name(request.headers.get("Host", ""), []):
        response.headers["Strict-Transport-Security"] = _ONLY_HTTPS
    # A session's pages must not be kept: "back" would show them to others after its owner has signed out.
    if sessions.present_id() or (let_in_by() is not None and response.mimetype == "text/html"):
        response.headers["Cache-Control"] = "no-store"
    else:
        response.headers.setdefault("Cache-Control", "no-cache")
    return response
