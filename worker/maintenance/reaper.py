"""Looks after all jobs: reaps those of silent workers, completes sealed ones, sends due messages, deletes old jobs.

A thread in every worker's parent process, which no training delays. Each step is atomic in the store or repeatable, so
any number of reapers is safe.
"""

import logging
import threading
import time
from collections.abc import Callable

from shared.broker import Broker
from shared.errors import CharloomError, NewerVersion, StoreUnavailable, VolumeGone, VolumeUnavailable
from shared.jobs.record import Queue, Status
from shared.settings import Settings
from shared.store import JobStore, Store
from shared.store.job_store import MESSAGE_LOST_MS
from shared.tracing import NO_TRACER, Tracer, trace_id
from shared.volume import Volume
from shared.volume_guard import VolumeGuard
from shared.volume_sync import sync, sync_pending
from worker.jobs.publish import complete
from worker.jobs.spans import begin_attempt
from worker.maintenance.reconcile import reconcile

log = logging.getLogger(__name__)

#: Seconds after a failover in which a former primary may still take jobs: the records are compared once more then.
COMPARE_AGAIN_S = 30.0
#: Seconds between two searches for jobs to delete.
PURGE_S = 60.0


class Reaper:
    """Looks after all jobs, every `reap_s` seconds."""

    def __init__(
        self,
        store: Store,
        broker: Broker,
        volume: Volume,
        settings: Settings,
        *,
        volume_guard: VolumeGuard,
        tracer: Tracer = NO_TRACER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._broker = broker
        self._volume = volume
        self._settings = settings
        self._volume_guard = volume_guard
        self._tracer = tracer
        self._clock = clock
        self._history: str | None = None
        #: No leases count as expired before this moment, after a restart or a failover of the server.
        self._grace_until = float("-inf")
        self._compare_again_at = float("inf")
        self._purge_at = float("-inf")
        self._empty_since: dict[Queue, float] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="reaper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread after the current step."""
        self._closing.set()
        self._thread.join(timeout=5)

    def check(self) -> None:
        """Look after all jobs once. Raises StoreUnavailable; VolumeGone before anything is done."""
        self._volume_guard.check()
        self._note_restart()
        if not self._store.jobs.is_whole() or self._clock() >= self._compare_again_at:
            self._compare_again_at = float("inf")
            reconcile(self._store.jobs, self._volume, lease_s=self._settings.lease_ttl_s)
        if self._clock() >= self._purge_at:
            # First of all that follows: it makes room in a full Redis, which refuses the rest.
            self._purge_at = self._clock() + PURGE_S
            for job_id in self._store.jobs.purge(age_s=self._settings.job_ttl_days * 86_400):
                self._volume.jobs.remove(job_id)
        if self._clock() >= self._grace_until:
            self._reap(self._store.jobs)
        try:
            sync_pending(self._store.jobs, self._volume)
        except VolumeUnavailable:
            log.debug("The volume takes no files yet")
        for job_id, queue in self._store.jobs.due(stayed_empty=self._stayed_empty):
            self._broker.send(job_id, queue)
            log.info("The message of %s is sent again", job_id)

    def _note_restart(self) -> None:
        """After a restart or a failover, give every worker a lease's time to renew: all leases seem to be over."""
        history = self._store.jobs.history()
        if history != self._history:
            if self._history is not None:
                self._grace_until = self._clock() + self._settings.lease_ttl_s
                self._compare_again_at = self._clock() + COMPARE_AGAIN_S
            self._history = history

    def _reap(self, jobs: JobStore) -> None:
        for reaped in jobs.reap(lease_s=self._settings.lease_ttl_s):
            try:
                job = jobs.find(reaped.job_id)
            except NewerVersion as exc:
                log.warning("%s was lost by its worker: %s; %s", reaped.job_id, reaped.outcome, exc)
                continue
            about: dict[str, str | None] = {"job": reaped.job_id}
            if job is not None:
                about |= {"request_id": job.request_id, "trace_id": trace_id(job.traceparent)}
            log.warning("%s was lost by its worker: %s", reaped.job_id, reaped.outcome, extra=about)
            if job is None:
                continue
            if reaped.outcome == "sealed" or job.status is not Status.RUNNING:  # else it's claimed again
                span = begin_attempt(self._tracer, job, began_ms=job.claimed_ms)
                span.fail("worker_lost")
                span.end()
            try:
                if reaped.outcome == "sealed":
                    complete(jobs, self._volume, job.id, job.token)
                elif job.ended:
                    sync(job, jobs, self._volume)
            except VolumeUnavailable as exc:
                log.error("the end of %s can't be written to the volume now: %s", job.id, exc)

    def _stayed_empty(self, queue: Queue) -> bool:
        now = self._clock()
        if self._broker.waiting(queue):
            self._empty_since.pop(queue, None)
            return False
        return now - self._empty_since.setdefault(queue, now) > MESSAGE_LOST_MS / 1000

    def _loop(self) -> None:
        while not self._closing.wait(self._settings.reap_s):
            try:
                self.check()
            except StoreUnavailable as exc:
                log.warning("Redis is away; jobs can't be looked after now: %s", exc)
            except VolumeGone as exc:
                log.debug("Jobs can't be looked after now: %s", exc)  # the guard has logged it
            except CharloomError as exc:
                log.error("Looking after the jobs failed: %s", exc)
