"""How fast the volume is, and how full, measured by a thread: a volume that hangs must not hang a scrape."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from shared.errors import VolumeUnavailable
from shared.metrics.catalogue import Samples
from shared.volume import Volume

#: Seconds between two probes.
EVERY_S = 10.0


@dataclass(frozen=True, kw_only=True)
class _Found:
    up: bool
    seconds: float
    free_bytes: int = 0
    size_bytes: int = 0
    #: On the monotonic clock.
    at: float


class VolumeProbe:
    """Probes the volume from its start on, every ten seconds."""

    def __init__(self, volume: Volume, *, then: Callable[[], object] = lambda: None) -> None:
        """Make it; `then` is called after each probe that succeeded, and may raise VolumeUnavailable."""
        self._volume = volume
        self._then = then
        self._found: _Found | None = None
        self._began = time.monotonic()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if it doesn't run yet."""
        with self._lock:
            if self._thread is None:
                self._began = time.monotonic()
                self._thread = threading.Thread(target=self._loop, name="volume_probe", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Stop it; a probe that hangs ends with the process."""
        self._closing.set()

    def probe(self) -> None:
        """Probe the volume once."""
        began = time.monotonic()
        try:
            self._volume.check(synced=True)
            free, size = self._volume.files.room(self._volume.folder) or (0, 0)
        except (VolumeUnavailable, OSError):
            self._found = _Found(up=False, seconds=time.monotonic() - began, at=time.monotonic())
            return
        ended = time.monotonic()
        self._found = _Found(
            up=True,
            seconds=ended - began,
            free_bytes=free,
            size_bytes=size,
            at=ended,
        )
        with suppress(VolumeUnavailable):
            self._then()

    def add_to(self, samples: Samples) -> None:
        """Add what was found last."""
        found = self._found
        samples.add("charloom_volume_probe_age_seconds", time.monotonic() - (found.at if found else self._began))
        if found is None:
            return
        samples.add("charloom_volume_up", int(found.up))
        samples.add("charloom_volume_probe_seconds", found.seconds)
        if found.size_bytes:
            samples.add("charloom_volume_free_bytes", found.free_bytes)
            samples.add("charloom_volume_size_bytes", found.size_bytes)

    def _loop(self) -> None:
        while True:
            self.probe()
            if self._closing.wait(EVERY_S):
                return
