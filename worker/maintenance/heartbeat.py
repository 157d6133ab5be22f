"""Tells the other processes that this worker lives, what it can, and what it runs."""

import logging
import os
import platform
import threading
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from shared.errors import StoreUnavailable
from shared.settings import Settings
from shared.store import Store, WorkerInfo
from worker.maintenance.throughput import ThroughputMeter
from worker.nn.kernel import load

log = logging.getLogger(__name__)

#: Seconds between two signs of life.
TELL_S = 2.0
#: Share of the host's memory that one job may take, its slots apart.
_MEMORY_SHARE = 0.8


def cores() -> int:
    """Return the processors that this process may use: what a container or `taskset` leaves it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train_threads(settings: Settings) -> int:
    """Return the threads that one training computes with at most on this host.

    The compiled layer's wait for one another a few times a step, asleep: beside writing they lose a tenth, and writing
    loses nothing. torch's own LSTM has them wait several hundred times, so one core is left to everything else
    (bench/sharing.py, bench/LOG.md).
    """
    free = cores() if load() is not None else cores() - 1
    return settings.train_threads or max(1, free // max(1, settings.train_slots))


def describe(name: str, settings: Settings, *, owner_id: str) -> WorkerInfo:
    """Return what this worker says of itself."""
    slots = max(1, settings.train_slots)
    return WorkerInfo(
        name=name,
        owner_id=owner_id,
        host=platform.node(),
        cores=cores(),
        threads=train_threads(settings),
        bfloat16=_has_bfloat16(),
        memory_bytes=settings.job_memory_bytes or int(_memory_bytes() * _MEMORY_SHARE / slots),
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "numpy", "celery")},
        },
    )


class Heartbeat:
    """A thread that tells of this worker until it is stopped."""

    def __init__(self, store: Store, info: WorkerInfo, throughput: ThroughputMeter) -> None:
        self._store = store
        self._throughput = throughput
        self._info = info
        #: Whether it has told of itself: what it found under its name before that may be a dead worker's.
        self._told = False
        self._warned = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="presence", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and say so."""
        self._closing.set()
        self._thread.join(timeout=5)
        self._throughput.stop()
        try:
            self._store.workers.leave(self._info.name)
        except StoreUnavailable:
            log.info("Redis is away; this worker's sign of life ends by itself")

    def _loop(self) -> None:
        while True:
            try:
                running = self._store.jobs.running_on(self._info.name)
                speed = self._throughput.check(running)
                self._warn_of_namesake(self._store.workers.report(replace(self._info, running=running, speed=speed)))
            except StoreUnavailable as exc:
                log.warning("Redis is away; this worker can't be seen now: %s", exc)
            if self._closing.wait(TELL_S):
                return

    def _warn_of_namesake(self, before: WorkerInfo | None) -> None:
        """Say so once where another worker of this name has told of itself since this one did."""
        told, self._told = self._told, True
        if told and not self._warned and before is not None and before.owner_id != self._info.owner_id:
            self._warned = True
            log.warning(
                "Another worker is called %s too, on %s. No job suffers by it, but people can't tell them apart: "
                "give each a name of its own with -n.",
                self._info.name,
                before.host,
            )


def _has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself, by its flags: no torch operation may run in the parent."""
    try:
        flags = Path("/proc/cpuinfo").read_text("ascii", errors="replace")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _memory_bytes() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text("ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total
