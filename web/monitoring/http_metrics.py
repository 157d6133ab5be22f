"""Counts and times the requests of this process, by route: the rule of the address, never the address itself."""

import time
from http import HTTPMethod

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.metrics.catalogue import entry

#: Upper bounds of the buckets, seconds. A stream's response begins with its first event.
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_METHODS = frozenset(HTTPMethod)


class HttpMetrics:
    """The requests of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        seconds, requests = entry("charloom_http_request_seconds"), entry("charloom_http_requests_total")
        self._seconds = Histogram(seconds.name, seconds.help, seconds.labels, registry=registry, buckets=_BOUNDS_S)
        self._requests = Counter(requests.name, requests.help, requests.labels, registry=registry)

    def install(self, app: Flask) -> None:
        """Count every request of this app. To be called first: what other parts take is measured, too."""
        app.before_request(_begin)
        app.after_request(self._end)

    def _end(self, response: Response) -> Response:
        method = request.method if request.method in _METHODS else "other"
        route = request.url_rule.rule if request.url_rule is not None else "none"
        self._requests.labels(method, route, f"{response.status_code // 100}xx").inc()
        self._seconds.labels(method, route).observe(time.perf_counter() - g.began)
        return response


def _begin() -> None:
    g.began = time.perf_counter()
