"""What every process exports of itself: versions, Redis and the volume as they look from its host."""

import platform
import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, disable_created_metrics
from prometheus_client.registry import Collector

from shared.errors import StoreUnavailable
from shared.metrics.catalogue import Samples
from shared.metrics.volume_probe import VolumeProbe
from shared.store import Store
from shared.versions import charloom_version


def make_registry(store: Store, probe: VolumeProbe) -> CollectorRegistry:
    """Make a registry with what every process exports; `process_…` is prometheus-client's own."""
    # They would be one more series for each counter, which nothing here needs.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    registry.register(_OwnCollector(store, probe))
    ProcessCollector(registry=registry)
    return registry


class _OwnCollector(Collector):
    def __init__(self, store: Store, probe: VolumeProbe) -> None:
        self._store = store
        self._probe = probe
        self._labels = (charloom_version(), platform.python_version())

    def collect(self) -> Iterator[Metric]:
        """Return the metrics. Waits for Redis, as long as a client of it does; never for the volume."""
        samples = Samples()
        samples.add("charloom_build_info", 1, *self._labels)
        began = time.perf_counter()
        try:
            self._store.ping()
        except StoreUnavailable:
            samples.add("charloom_redis_up", 0)
        else:
            samples.add("charloom_redis_up", 1)
            samples.add("charloom_redis_round_trip_seconds", time.perf_counter() - began)
        self._probe.add_to(samples)
        yield from samples.families()
