"""The app factory: `gunicorn "web:create_app()"`."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter, Map, UnicodeConverter

from shared.settings import Settings, load
from web import api, pages
from web.http import compression, conditional, problems, static_files, strict_json
from web.http.no_session import NoSession
from web.http.uploads import Request
from web.monitoring import endpoint as metrics_endpoint
from web.monitoring import request_spans
from web.openapi.document import JSON_DOCUMENT, Document
from web.security import auth, origin_checks, rate_limits
from web.services import Services


class _Named(UnicodeConverter):
    """An id in an address, but not `import` or `join`: /models/import would get the methods of /models/{id}."""

    regex = "(?!(?:import|join)$)[^/]+"

    def __init__(self, url_map: Map) -> None:
        BaseConverter.__init__(self, url_map)


class _App(Flask):
    """Flask without what it does for each request and nobody here needs: a third of what an empty call costs."""

    session_interface = NoSession()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Leave a handler as it is: no handler here is a coroutine, and checking takes some microseconds each."""
        return func


def create_app(settings: Settings | None = None, *, ping_s: float = 15.0) -> Flask:
    """Make the app. Nothing is connected yet.

    Args:
        settings: read from the environment when None.
        ping_s: seconds between two pings of a silent event stream.

    Raises:
        SettingsError: a CHARLOOM_ variable is wrong.
    """
    app = _App("web", static_folder=None)
    app.request_class = Request
    app.url_map.merge_slashes = False
    app.url_map.converters["default"] = _Named
    services = Services.of(settings or load(), ping_s=ping_s)
    app.extensions[services.name] = services
    metrics_endpoint.install(app)
    request_spans.install(app)
    problems.install(app)
    origin_checks.install(app)
    auth.install(app)
    rate_limits.install(app)
    strict_json.install(app)
    compression.install(app)
    conditional.install(app)
    static_files.install(app, Path(__file__).parent / "static")
    if proxies := services.settings.trusted_proxies:
        # Not X-Forwarded-Host: a proxy is to pass `Host` on, which the rules for `Host` and `Origin` look at.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies)  # type: ignore[method-assign]
    for group in api.ALL:
        app.register_blueprint(group.blueprint)
    app.extensions[JSON_DOCUMENT] = _document(locked=bool(services.settings.api_keys))
    app.register_blueprint(api.openapi_routes.blueprint)
    pages.install(app)
    return app


@cache
def _document(*, locked: bool) -> Document:
    """Return the API's document, made once in a process: it takes longer than all else here."""
    return Document.of([call for group in api.ALL for call in group.calls], locked=locked)
