"""`GET /metrics`: this process and the whole fleet, as Prometheus text or OpenMetrics."""

from collections.abc import Iterator

from flask import Blueprint, Flask, Response, request
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from shared.metrics.catalogue import Samples
from shared.metrics.fleet import FleetCollector
from shared.metrics.process import make_registry
from shared.metrics.volume_probe import VolumeProbe
from web.monitoring.http_metrics import HttpMetrics
from web.security.metrics_access import PATH
from web.services import Services, services_of
from web.streaming.connection_slots import ConnectionSlots

#: The query that leaves the fleet out: where several web servers are scraped, one of them reports it.
WITHOUT_FLEET = "0"


class _Streams(Collector):
    def __init__(self, slots: ConnectionSlots) -> None:
        self._slots = slots

    def collect(self) -> Iterator[Metric]:
        samples = Samples()
        samples.add("charloom_streams_open", self._slots.taken)
        samples.add("charloom_streams_limit", self._slots.places)
        yield from samples.families()


class _Stored(Collector):
    """What each API key stores, as it was counted last: a volume that hangs must not hang a scrape."""

    def __init__(self, here: Services) -> None:
        self._stored = here.stored
        self._names = {key.name for key in here.settings.api_keys}

    def collect(self) -> Iterator[Metric]:
        samples, found = Samples(), self._stored.last()
        nobodys = [one for owner, one in found.items() if owner not in self._names]  # of keys that are no more, too
        by_key = {name: [found[name]] if name in found else [] for name in sorted(self._names)} | {"": nobodys}
        for name, ones in by_key.items():
            samples.add("charloom_stored_bytes", sum(one.bytes for one in ones), name)
            samples.add("charloom_stored_texts", sum(one.texts for one in ones), name)
            samples.add("charloom_stored_models", sum(one.models for one in ones), name)
        yield from samples.families()


def install(app: Flask) -> None:
    """Measure the requests of this app, and serve its metrics. Call it before whatever else handles requests."""
    here: Services = services_of(app)
    limited = here.settings.has_quota
    probe = VolumeProbe(here.unguarded_volume, then=here.stored.refresh if limited else lambda: None)
    registry = make_registry(here.store, probe)
    if limited:
        registry.register(_Stored(here))
    registry.register(_Streams(here.slots))
    HttpMetrics(registry).install(app)
    fleet = CollectorRegistry()
    fleet_collector = FleetCollector(here.store)
    fleet.register(fleet_collector)
    blueprint = Blueprint("metrics", __name__)

    @blueprint.get(PATH)
    def show() -> Response:
        probe.start()  # not before: it would not survive gunicorn's fork
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        own, whole = encode(registry), b""
        if request.args.get("fleet") != WITHOUT_FLEET:
            whole = encode(fleet)
        body = whole.removesuffix(b"# EOF\n") + own
        return Response(body, content_type=content_type, headers={"Cache-Control": "no-store"})

    app.register_blueprint(blueprint)
