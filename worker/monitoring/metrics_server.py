"""Serves a worker's own metrics at CHARLOOM_METRICS_PORT, from a thread of its parent process.

The fleet's figures are not here: the web server has them from Redis, where the children's work is counted as well.
"""

import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import Metric, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from shared.jobs.record import Queue
from shared.metrics.catalogue import Samples
from shared.metrics.process import make_registry
from shared.metrics.volume_probe import VolumeProbe
from shared.networks import is_in, is_loopback
from shared.settings import Settings
from shared.store import Store, WorkerInfo
from shared.volume import Volume

log = logging.getLogger(__name__)


class _WorkerCollector(Collector):
    """What the heartbeat reports."""

    def __init__(self, describe: Callable[[], WorkerInfo], is_draining: Callable[[], bool]) -> None:
        self._describe = describe
        self._is_draining = is_draining

    def collect(self) -> Iterator[Metric]:
        info, samples = self._describe(), Samples()
        samples.add("charloom_worker_slots", info.train_slots, Queue.TRAIN)
        samples.add("charloom_worker_slots", info.generate_slots, Queue.GENERATE)
        samples.add("charloom_worker_jobs_running", len(info.running))
        samples.add("charloom_worker_draining", int(self._is_draining()))
        samples.add("charloom_worker_characters_per_second", info.characters_per_second)
        samples.add("charloom_worker_memory_bytes", info.memory_bytes)
        yield from samples.families()


class _Handler(WSGIRequestHandler):
    """Closes connections that send nothing, and logs no requests."""

    timeout = 10

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _IPv6Server(ThreadingWSGIServer):
    address_family = socket.AF_INET6


class MetricsServer:
    """The server of one worker; without a port in the settings it does nothing."""

    def __init__(
        self,
        store: Store,
        volume: Volume,
        settings: Settings,
        *,
        describe: Callable[[], WorkerInfo],
        is_draining: Callable[[], bool],
    ) -> None:
        """Make the server.

        Args:
            store: is measured.
            volume: likewise.
            settings: where to listen, and who may read.
            describe: returns what the worker reports of itself.
            is_draining: returns True while the worker is requested to drain.
        """
        self._settings = settings
        self._probe = VolumeProbe(volume)
        registry = make_registry(store, self._probe)
        registry.register(_WorkerCollector(describe, is_draining))
        self._app = make_wsgi_app(registry)
        self._server: ThreadingWSGIServer | None = None

    def start(self) -> None:
        """Listen. A port that is taken is logged; the worker works on without metrics."""
        host, port = self._settings.metrics_host, self._settings.metrics_port
        if port is None:
            return
        kind = _IPv6Server if ":" in host else ThreadingWSGIServer
        try:
            self._server = make_server(host, port, self._respond, server_class=kind, handler_class=_Handler)
        except OSError as exc:
            log.error("No metrics are served, %s port %d can't be bound: %s", host, port, exc)
            return
        log.info("Metrics are served at http://%s:%d/metrics", host, self._server.server_port)
        self._probe.start()
        Thread(target=self._server.serve_forever, name="metrics", daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._probe.stop()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _respond(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        address = str(environ.get("REMOTE_ADDR", ""))
        if not is_loopback(address) and not is_in(self._settings.metrics_networks, address):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"CHARLOOM_METRICS_ALLOW doesn't name your address.\n"]
        if environ.get("PATH_INFO") != "/metrics":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"The metrics are at /metrics.\n"]
        body: Iterable[bytes] = self._app(environ, start_response)
        return body
