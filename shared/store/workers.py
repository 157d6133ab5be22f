"""The workers seen recently."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from shared.store import keys
from shared.store.connection import Client, translated
from shared.store.records import known

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
    #: Processors' time that its container may use; None if that isn't limited.
    cpu_quota: float | None = None
    #: Why it takes no jobs: its folder isn't the service's volume. None: it takes them.
    volume_error: str | None = None
    #: When it reported this, milliseconds since 1970 on the store's clock and on its own; 0 from an older version.
    seen_ms: int = 0
    clock_ms: int = 0


class WorkerBoard:
    """Where workers report themselves. Any method raises StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def report(self, info: WorkerInfo) -> WorkerInfo | None:
        """Report that this worker is alive, for SEEN_S seconds; return the report under this name before."""
        with translated():
            seconds, micros = self._client.time()
            seen_ms = seconds * 1000 + micros // 1000
            reported_at = {"seen_ms": seen_ms, "clock_ms": time.time_ns() // 1_000_000}
            pipeline = self._client.pipeline()
            pipeline.set(keys.worker(info.name), json.dumps(asdict(info) | reported_at), ex=SEEN_S, get=True)
            pipeline.zadd(keys.WORKERS, {info.name: seen_ms})
            pipeline.zremrangebyscore(keys.WORKERS, "-inf", seen_ms - SEEN_S * 1000)
            before, *_ = pipeline.execute()
        return known(WorkerInfo, str(before or ""))

    def leave(self, name: str) -> None:
        """Report that this worker is gone."""
        with translated():
            pipeline = self._client.pipeline()
            pipeline.delete(keys.worker(name))
            pipeline.zrem(keys.WORKERS, name)
            pipeline.execute()

    def seen(self) -> Sequence[WorkerInfo]:
        """Return the workers seen recently, by name."""
        with translated():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.time()
            pipeline.zrange(keys.WORKERS, 0, -1)
            (seconds, _), names = pipeline.execute()
            reports = self._client.mget([keys.worker(name) for name in sorted(names)]) if names else []
        infos = (known(WorkerInfo, str(text or "")) for text in reports)
        # A key lives longer if the server's clock is set back; the time in it doesn't.
        return [info for info in infos if info and abs(seconds * 1000 - info.seen_ms) <= (SEEN_S + 1) * 1000]
