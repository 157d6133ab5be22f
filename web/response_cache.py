"""Serialized responses of ended jobs, whose representation no longer changes.

Redis is asked each time whether the record is still the one that was serialized; a job that was forgotten,
or whose record was restored from the volume, is read again. Reading and serializing a record take as long as all the
rest of a call.
"""

import threading
from dataclasses import dataclass

from shared.jobs.record import Job
from shared.store import JobStore

#: Responses kept, and the longest one, bytes.
MAX_ENTRIES, MAX_BYTES = 512, 16 << 10


@dataclass(frozen=True)
class CachedResponse:
    """An answer, and what its record was known by."""

    stamp: str
    etag: str
    body: bytes


class ResponseCache:
    """The responses kept by this process. Thread-safe."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._kept: dict[str, CachedResponse] = {}
        self._changing = threading.Lock()

    def find(self, job_id: str) -> CachedResponse | None:
        """Return the response for a job, or None if it has to be serialized. Raises StoreUnavailable."""
        kept = self._kept.get(job_id)
        if kept is None or self._jobs.stamp(job_id) == kept.stamp:
            return kept
        with self._changing:
            self._kept.pop(job_id, None)
        return None

    def keep(self, job: Job, *, etag: str, body: bytes) -> None:
        """Keep the answer of a job that has ended; the oldest one goes for it."""
        if not job.ended or len(body) > MAX_BYTES:
            return
        with self._changing:
            self._kept[job.id] = CachedResponse(job.stamp, etag, body)
            if len(self._kept) > MAX_ENTRIES:
                del self._kept[next(iter(self._kept))]
