"""A span for each request, in the trace that its header `traceparent` names, or in a new one."""

from flask import Flask, Response, g, request

from shared import logs
from shared.tracing import NO_SPAN, Span, read_traceparent, trace_id
from web.security.metrics_access import PATH
from web.services import services

#: Asked for every few seconds by machines; traced only as parts of the caller's own trace.
_PROBES = frozenset({"/healthz", "/readyz", PATH})


def install(app: Flask) -> None:
    """Trace the requests of this app. Call it before whatever else handles requests."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def request_span() -> Span:
    """Return the span of the current request."""
    span: Span = g.get("span", NO_SPAN)
    return span


def _begin() -> None:
    parent = read_traceparent(request.headers.get("traceparent"))
    if request.url_rule is None or (request.path in _PROBES and parent is None):
        g.span = Span(parent)
    else:
        route = request.url_rule.rule
        attributes = {"http.request.method": request.method, "http.route": route, "url.scheme": request.scheme}
        tracer = services().tracer
        g.span = tracer.begin(f"{request.method} {route}", parent=parent, kind="server", attributes=attributes)
    logs.bind(trace_id=trace_id(g.span.traceparent))


def _end(response: Response) -> Response:
    """End the span where the response begins: an event stream may last for hours."""
    span = request_span()
    span.set({"http.response.status_code": response.status_code, "charloom.request_id": g.get("request_id")})
    if response.status_code >= 500:
        span.fail(str(response.status_code))
    span.end()
    return response


def _forget(_: BaseException | None) -> None:
    logs.bind(trace_id=None)  # the thread goes on to serve others
