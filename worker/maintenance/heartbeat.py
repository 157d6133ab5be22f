"""Reports to the other processes that this worker is alive, its abilities, and what it runs."""

import logging
import os
import platform
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version

from shared.common_settings import common_values
from shared.errors import StoreUnavailable, VolumeGone
from shared.host import cores, cpu_quota, memory_bytes, processor_kind, started_s
from shared.settings import Settings
from shared.store import Store, WorkerInfo
from shared.versions import charloom_version
from shared.volume_guard import VolumeGuard
from worker.maintenance.throughput import ThroughputMeter
from worker.nn.kernel import load
from worker.nn.kernel.compilation import processor_flags

log = logging.getLogger(__name__)

#: Seconds between two heartbeats.
INTERVAL_S = 2.0
#: Share of the host's memory that all its training slots together may use.
_MEMORY_SHARE = 0.8


def train_threads(settings: Settings) -> int:
    """Return the most threads of one training on this host.

    The compiled layer's threads wait for one another a few times a step, asleep: next to a generate job they lose a
    tenth, and that job loses nothing. Those of torch's own LSTM wait several hundred times, so one core is left to
    everything else (bench/sharing.py, bench/LOG.md).
    """
    free = cores() if load() is not None else cores() - 1
    return settings.train_threads or max(1, free // max(1, settings.train_slots))


def describe(name: str, settings: Settings, *, owner_id: str) -> WorkerInfo:
    """Return the description of this worker."""
    slots = max(1, settings.train_slots)
    return WorkerInfo(
        name=name,
        owner_id=owner_id,
        host=platform.node(),
        cores=cores(),
        threads=train_threads(settings),
        train_slots=settings.train_slots,
        generate_slots=settings.generate_slots,
        bfloat16=_has_bfloat16(),
        kernel="torch" if (kernel := load()) is None else kernel.family.name,
        processor=processor_kind(),
        pid=os.getpid(),
        started_s=started_s(os.getpid()) or 0.0,
        memory_bytes=settings.job_memory_bytes or int(memory_bytes() * _MEMORY_SHARE / slots),
        cpu_quota=cpu_quota(),
        settings=common_values(settings),
        versions={
            **({"charloom": own} if (own := charloom_version()) else {}),
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "numpy", "celery")},
        },
    )


class Heartbeat:
    """A thread that reports this worker until it is stopped."""

    def __init__(
        self,
        store: Store,
        info: WorkerInfo,
        throughput: ThroughputMeter,
        *,
        volume_guard: VolumeGuard,
        drain: Callable[[bool], None],
    ) -> None:
        """Make it. `drain` is called with each reply: whether this worker is to release its jobs and take none."""
        self._store = store
        self._throughput = throughput
        self._volume_guard = volume_guard
        self._drain = drain
        #: What it reports.
        self.info = info
        #: Whether it has reported before: an earlier report under its name may be a dead worker's.
        self._reported = False
        self._warned = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and report that this worker is gone."""
        self._closing.set()
        self._thread.join(timeout=5)
        self._throughput.stop()
        try:
            self._store.workers.leave(self.info.name)
        except StoreUnavailable:
            log.info("Redis is away; this worker's heartbeat expires by itself")

    def _loop(self) -> None:
        while True:
            try:
                with suppress(VolumeGone):
                    self._volume_guard.check()
                self._report()
            except StoreUnavailable as exc:
                log.warning("Redis is away; this worker can't report itself: %s", exc)
            if self._closing.wait(INTERVAL_S):
                return

    def _report(self) -> None:
        jobs = self._store.jobs.running_on(self.info.name)
        running = [job.id for job in jobs]
        self.info = replace(
            self.info,
            running=running,
            speed=self._throughput.check(running),
            characters_per_second=sum(job.progress.chars_per_second or 0 for job in jobs),
            volume_error=self._volume_guard.trouble,
        )
        before, drain = self._store.workers.report(self.info)
        self._drain(drain)
        self._warn_of_namesake(before)

    def _warn_of_namesake(self, before: WorkerInfo | None) -> None:
        """Warn once if another worker of this name has reported itself since this one did."""
        reported, self._reported = self._reported, True
        if reported and not self._warned and before is not None and before.owner_id != self.info.owner_id:
            self._warned = True
            log.warning(
                "Another worker, on %s, is also called %s. That harms no job, but people can't distinguish them: give "
                "each its own name with -n.",
                before.host,
                self.info.name,
            )


def _has_bfloat16() -> bool:
    """Return True if trainings are faster in bfloat16 here; no torch operation may run in the parent."""
    kernel = load()
    return "avx512_bf16" in processor_flags() if kernel is None else kernel.bfloat16 is not None
