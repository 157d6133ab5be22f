"""The workers seen recently."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from shared.store import keys
from shared.store.connection import Client, translated
from shared.store.records import known
from shared.store.scripts import Scripts

#: A worker that hasn't reported itself for this long is gone, seconds.
SEEN_S = 15


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """A worker's report."""

    name: str
    host: str
    #: Threads that should compute there at once (`shared/host.py`).
    cores: int
    #: Threads of one training.
    threads: int
    #: Whether its processor has bfloat16 products.
    bfloat16: bool
    #: Memory that one job may use there, bytes.
    memory_bytes: int
    versions: Mapping[str, str]
    #: Identifies the process of this name; "" from an older version.
    owner_id: str = ""
    #: The speed of a training there, as `shared.requests.estimate.Speed` parses it; empty until it is measured.
    speed: Mapping[str, Any] = field(default_factory=dict)
    running: Sequence[str] = field(default=())
    #: Its parent process on that host, and when it started (`shared/host.py`); 0 from an older version.
    pid: int = 0
    started_s: float = 0.0
    #: What computes the steps of a training there: the compiled layer's family, "torch", or "" from an older version.
    kernel: str = ""
    #: Its host's kind of processor (`shared/host.py`); "" from an older version.
    processor: str = ""
    #: Processors' time that its container may use; None if that isn't limited.
    cpu_quota: float | None = None
    #: Why it takes no jobs: its folder isn't the service's volume. None: it takes them.
    volume_error: str | None = None
    #: Jobs that it runs at once at most; 0 from an older version.
    train_slots: int = 0
    generate_slots: int = 0
    #: Characters that its jobs train on and write, each second.
    characters_per_second: float = 0.0
    #: Its settings that must be equal on all hosts (`shared/common_settings.py`); empty from an older version.
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Whether it is requested to release its jobs and take none; not a part of its report.
    draining: bool = False
    #: When it reported this, milliseconds since 1970 on the store's clock and on its own; 0 from an older version.
    seen_ms: int = 0
    clock_ms: int = 0


class WorkerBoard:
    """Where workers report themselves, and are requested to drain. Any method raises StoreUnavailable."""

    def __init__(self, client: Client, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    def report(self, info: WorkerInfo) -> tuple[WorkerInfo | None, bool]:
        """Report that this worker is alive, for SEEN_S seconds.

        Returns:
            The report under this name before, and whether this worker is requested to drain.
        """
        report = {name: value for name, value in asdict(info).items() if name not in ("seen_ms", "draining")}
        report["clock_ms"] = time.time_ns() // 1_000_000
        reply = self._scripts.run("worker_report", info.name, info.owner_id, json.dumps(report), SEEN_S * 1000)
        return known(WorkerInfo, reply[1]), reply[2] == "1"

    def leave(self, name: str) -> None:
        """Report that this worker has stopped."""
        self._scripts.run("worker_leave", name)

    def drain(self, name: str, *, on: bool) -> bool:
        """Request a worker to release its jobs and take none, or withdraw that; return False if it isn't seen.

        The request ends with the worker's process.
        """
        return bool(self._scripts.run("worker_drain", name, int(on))[0] == "ok")

    def seen(self) -> Sequence[WorkerInfo]:
        """Return the workers seen recently, by name."""
        with translated():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.time()
            pipeline.zrange(keys.WORKERS, 0, -1)
            pipeline.hgetall(keys.DRAINS)
            (seconds, _), names, drains = pipeline.execute()
            reports = self._client.mget([keys.worker(name) for name in sorted(names)]) if names else []
        infos = (known(WorkerInfo, str(text or "")) for text in reports)
        return [
            replace(info, draining=drains.get(info.name) == info.owner_id)
            for info in infos
            # A key lives longer if the server's clock is set back; the time in it doesn't.
            if info and abs(seconds * 1000 - info.seen_ms) <= (SEEN_S + 1) * 1000
        ]
