"""Who may call, as far as a browser can be made to call for somebody else; and headers that keep pages to themselves.

With no keys set the service trusts whoever reaches it, so a web page elsewhere must not reach it through its reader's
browser. Two doors are shut: another name that is made to point here (DNS rebinding) is met by the rule for `Host`, a
form or script that posts across sites by the rules for `Origin` and `Sec-Fetch-Site`. The rule for `Host` holds with
CHARLOOM_ALLOW_ANONYMOUS too: that setting only allows to bind other addresses than loopback; by which names the service
may then be called says CHARLOOM_ALLOWED_HOSTS. With keys set a page that rebinds a name has no session to use, so any
name will do until some are set. Who holds a key is `door`'s to ask.
"""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Response, request

from shared.settings import PREFIX
from web.http.problems import Forbidden
from web.security.callers import let_in_by
from web.services import services

#: Methods that change nothing.
READING = frozenset({"GET", "HEAD", "OPTIONS"})
#: Whoever only asks whether the process lives calls it by any name, a load balancer by its address.
_OPEN_PATH = "/healthz"

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
#: Told over https: the browser is to come by https alone for a year.
_ONLY_HTTPS = "max-age=31536000"


def install(app: Flask) -> None:
    """Check every request of this app, and put the headers on every answer."""
    app.before_request(check)
    app.after_request(_put_headers)
    app.wsgi_app = _armoured(app.wsgi_app)  # type: ignore[assignment, method-assign]


def check() -> None:
    """Raise Forbidden unless the present request may be answered."""
    host = request.environ.get("HTTP_HOST", "")
    settings = services().settings
    any_name = bool(settings.api_keys) and not settings.allowed_hosts
    if request.path != _OPEN_PATH and not any_name and not is_own_name(host, settings.allowed_hosts):
        raise Forbidden(
            f"The service is not called {_hostname(host)!r}. Call it by localhost or 127.0.0.1, or put the name into "
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
    """Return True if `Host` is a loopback name or an allowed one; its port doesn't matter."""
    return _is_own_name(host, tuple(allowed))


@lru_cache(maxsize=256)
def _is_own_name(host: str, allowed: tuple[str, ...]) -> bool:
    name = _hostname(host)
    if name == "localhost" or name in {entry.lower() for entry in allowed}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def _foreign(origin: str, host: str) -> bool:
    try:
        parsed = urlsplit(origin)
        return parsed.scheme not in ("http", "https") or parsed.netloc.lower() != host.lower()
    except ValueError:
        return True


def _armoured(inner: "WSGIApplication") -> "WSGIApplication":
    """Put the headers that are always the same on every answer. Through Flask's they took a tenth of a short call."""

    def outer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            return start_response(status, [*headers, *_HEADERS], *exc_info)

        return inner(environ, start)

    return outer


def _put_headers(response: Response) -> Response:
    # A browser keeps the rule for all ports of a name, so the loopback names must not be bound by it.
    if request.is_secure and not is_own_name(request.headers.get("Host", ""), []):
        response.headers["Strict-Transport-Security"] = _ONLY_HTTPS
    # What was shown to a key must not be there for whoever presses "back" once its owner has signed out.
    locked = let_in_by() is not None and response.mimetype == "text/html"
    response.headers.setdefault("Cache-Control", "no-store" if locked else "no-cache")
    return response
