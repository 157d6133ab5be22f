"""The right to work on a job, kept alive beside the computing.

The process' thread (`worker/jobs/lease_renewer.py`) renews the lease while the computing shows signs of life (`tick`).
The computing asks `look` at each of its steps whether it may go on: it waits while its lease is nearly over and can't
be renewed, and leaves when it is lost. Time is CLOCK_BOOTTIME, which goes on while the host sleeps.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType

from shared.errors import LeaseLost, RecordGone, StoreUnavailable
from shared.store import Claim, JobStore
from worker.jobs.lease_renewer import BEAT_S, LeaseRenewer

log = logging.getLogger(__name__)

#: Share of the lease's life that must be left to begin a step.
MARGIN = 0.2


class StopRequest(StrEnum):
    """Why a job should stop now."""

    CANCEL = "cancel"
    DRAIN = "drain"


def boottime() -> float:
    """Return seconds since boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Lease:
    """One claim, held as a context manager: entering starts the heartbeat, leaving ends it."""

    def __init__(
        self,
        jobs: JobStore,
        claim: Claim,
        *,
        ttl_s: float,
        stall_s: float,
        lease_renewer: LeaseRenewer,
        draining: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = boottime,
    ) -> None:
        """Take the lease of a claim.

        Args:
            jobs: where it is renewed.
            claim: what it is of.
            ttl_s: its life, seconds.
            stall_s: seconds without a sign of life after which it is no longer renewed.
            lease_renewer: the thread that renews it.
            draining: whether this host is to stop soon.
            clock: seconds, sleep included.
        """
        self._jobs = jobs
        self._id = claim.job.id
        self._token = claim.token
        self._ttl_s = ttl_s
        self._stall_s = stall_s
        self._draining = draining
        self._clock = clock
        self._ticked = self._until = clock()
        self._until += ttl_s
        self._lost = False
        self._cancel = claim.job.cancel_requested
        self._changed = threading.Condition()
        self._gone_since, self._away = math.inf, False
        self._lease_renewer = lease_renewer

    def __enter__(self) -> "Lease":
        self._lease_renewer.begin(self._beat)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lease_renewer.end()

    @property
    def beating(self) -> bool:
        """Whether the lease is still being renewed."""
        return self._lease_renewer.beating

    def tick(self) -> None:
        """Say that the computing lives."""
        self._ticked = self._clock()

    def check(self) -> StopRequest | None:
        """Tick, and return why to stop now, or None: go on. Waits while the lease can't be renewed.

        Raises:
            LeaseLost: the job is somebody else's by now.
        """
        self.tick()
        with self._changed:
            while not self._lost and self._clock() > self._until - MARGIN * self._ttl_s:
                self._changed.wait(BEAT_S)
                self.tick()  # waiting for Redis is no stall
        if self._lost:
            raise LeaseLost(f"{self._id} is no longer ours (token {self._token})")
        if self._cancel:
            return StopRequest.CANCEL
        return StopRequest.DRAIN if self._draining() else None

    def saw_cancel(self, wished: bool) -> None:
        """Take in what the store said of a wish to cancel when something else was recorded."""
        self._cancel = self._cancel or wished

    def _lose(self) -> None:
        with self._changed:
            self._lost = True
            self._changed.notify_all()

    def _beat(self) -> bool:
        """Renew the lease once, if there is a sign of life; return whether to do so again."""
        begun = self._clock()
        if begun - self._ticked > self._stall_s:
            log.error("%s shows no sign of life for %.0f s; its lease is no longer renewed", self._id, self._stall_s)
            return False
        try:
            cancel = self._jobs.renew(self._id, self._token, lease_s=self._ttl_s)
        except RecordGone:
            # Redis was emptied. It is put back from the volume, or never: a generate job's isn't there.
            self._gone_since = min(self._gone_since, begun)
            if begun - self._gone_since < self._ttl_s:
                return True
            self._lose()
            return False
        except StoreUnavailable as exc:
            if not self._away:
                log.warning("The lease of %s can't be renewed now: %s", self._id, exc)
            self._away = True
            return True
        except LeaseLost:
            self._lose()
            return False
        if self._away:
            log.info("The lease of %s is renewed again", self._id)
        self._gone_since, self._away = math.inf, False
        with self._changed:
            # The store keeps at least four fifths of the lease at each renewal that it doesn't write.
            self._until = begun + self._ttl_s * 0.8
            self._cancel = self._cancel or cancel
            self._changed.notify_all()
        return True
