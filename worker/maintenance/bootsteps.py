"""Starts the threads of a worker's parent process: reaper, heartbeat and webhook sender.

They start once the pool has forked its first children; children forked later don't use them.
"""

import logging
from typing import Any

from celery import bootsteps

from shared.bases import packaged
from shared.broker import Broker
from shared.errors import CharloomError, StoreTooOld, StoreUnavailable
from shared.settings import Settings
from shared.store import Store
from shared.tracing import Tracer
from shared.volume import Volume
from shared.volume_guard import VolumeGuard
from worker.maintenance.heartbeat import Heartbeat, describe, train_threads
from worker.maintenance.reaper import Reaper
from worker.maintenance.throughput import ThroughputMeter
from worker.monitoring.metrics_server import MetricsServer
from worker.webhooks.sender import WebhookSender

log = logging.getLogger(__name__)


def _install_bases(volume: Volume, guard: VolumeGuard, settings: Settings) -> None:
    try:
        guard.check()
    except CharloomError as exc:
        log.warning("The bases aren't put on the volume: %s", exc)
        return
    if settings.packaged_bases:
        packaged.install_if_possible(volume)


def _check_store(store: Store) -> None:
    """End this worker if Redis is too old; one that is away is waited for."""
    try:
        store.check_version()
    except StoreTooOld as exc:
        log.critical("%s", exc)
        raise SystemExit(1) from exc
    except StoreUnavailable as exc:
        log.warning("Redis is away: %s", exc)


class MaintenanceStep(bootsteps.StartStopStep):  # type: ignore[misc]  # celery is untyped
    """Worker step: starts and stops the threads of the parent."""

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        """Start them, with the settings that the application was made with."""
        settings: Settings = parent.app.conf.charloom_settings
        store = Store.of(settings)
        _check_store(store)
        volume = Volume.of(settings)
        guard: VolumeGuard = parent.app.conf.charloom_volume_guard
        _install_bases(volume, guard, settings)
        # It forks, so it comes before the threads.
        throughput = ThroughputMeter(store, volume, threads=train_threads(settings) if settings.train_slots else 0)
        heartbeat = Heartbeat(
            store,
            describe(parent.hostname, settings, owner_id=parent.app.conf.charloom_owner_id),
            throughput,
            volume_guard=guard,
            drain=parent.app.conf.charloom_drain.request,
        )
        self._tracer = Tracer.of("charloom-worker", instance=parent.hostname)
        self._parts = (
            Reaper(store, Broker(parent.app), volume, settings, volume_guard=guard, tracer=self._tracer),
            heartbeat,
            WebhookSender(store, settings, tracer=self._tracer),
            MetricsServer(
                store,
                volume,
                settings,
                describe=lambda: heartbeat.info,
                is_draining=parent.app.conf.charloom_drain.is_requested,
            ),
        )
        for part in self._parts:
            part.start()

    def stop(self, _parent: Any) -> None:
        """Stop them; the worker is no longer seen."""
        for part in self._parts:
            part.stop()
        self._tracer.close()

    terminate = stop
