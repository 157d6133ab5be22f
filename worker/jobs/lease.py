"""The right to work on a job, renewed while the job computes.

A thread of the process (`worker/jobs/lease_renewer.py`) renews the lease as long as the computation shows signs of life
(`tick`). The computation calls `check` at each of its steps: it waits while the lease is about to expire and can't be
renewed, and raises when it is lost. Time is CLOCK_BOOTTIME, which includes time that the host sleeps.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from enum import StrEnum
from functools import partial
from types import TracebackType

from shared.errors import LeaseLost, RecordGone, StoreUnavailable
from shared.store import Claim, JobStore
from worker.jobs.lease_renewer import BEAT_S, LeaseRenewer

log = logging.getLogger(__name__)

#: Share of the lease's duration that must be left to start a step.
MARGIN = 0.2


class StopRequest(StrEnum):
    """Why a job has to stop."""

    CANCEL = "cancel"
    DRAIN = "drain"


class StopRequested(Exception):
    """The job is to stop before it has something to show."""

    def __init__(self, request: StopRequest) -> None:
        super().__init__(request)
        self.request = request


def boottime() -> float:
    """Return seconds since boot, including sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Lease:
    """One claim, held as a context manager: entering starts the renewals, leaving ends them."""

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
        """Make the lease of a claim.

        Args:
            jobs: where it is renewed.
            claim: the claim.
            ttl_s: seconds after which it expires unless it is renewed.
            stall_s: seconds without a sign of life after which it is no longer renewed.
            lease_renewer: the thread that renews it.
            draining: returns True if this host is to stop soon.
            clock: seconds, including sleep.
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
        # What it logs is about this job, too.
        self._lease_renewer.begin(partial(copy_context().run, self._beat))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lease_renewer.end()

    @property
    def beating(self) -> bool:
        """True while the lease is being renewed."""
        return self._lease_renewer.beating

    def tick(self) -> None:
        """Show a sign of life."""
        self._ticked = self._clock()

    def check(self) -> StopRequest | None:
        """Tick, and return why to stop, or None to continue. Waits while the lease can't be renewed.

        Raises:
            LeaseLost: the job belongs to another attempt.
        """
        self.tick()
        with self._changed:
            while not self._lost and self._clock() > self._until - MARGIN * self._ttl_s:
                self._changed.wait(BEAT_S)
                self.tick()  # waiting for Redis isn't a stall
        if self._lost:
            raise LeaseLost(f"{self._id} belongs to another attempt by now (token {self._token})")
        if self._cancel:
            return StopRequest.CANCEL
        return StopRequest.DRAIN if self._draining() else None

    def saw_cancel(self, requested: bool) -> None:
        """Note a request to cancel that the store reported when something else was recorded."""
        self._cancel = self._cancel or requested

    def _lose(self) -> None:
        with self._changed:
            self._lost = True
            self._changed.notify_all()

    def _beat(self) -> bool:
        """Renew the lease once, if there was a sign of life; return True if it is to be renewed again."""
        begun = self._clock()
        if begun - self._ticked > self._stall_s:
            log.error(
                "%s has shown no sign of life for %.0f s; its lease is no longer renewed", self._id, self._stall_s
            )
            self._lose()  # or it would wait for a renewal for ever, if it continues after all
            return False
        try:
            cancel = self._jobs.renew(self._id, self._token, lease_s=self._ttl_s)
        except RecordGone:
            # Redis was emptied. The record is restored from the volume, unless it is a generate job's.
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
            # The store doesn't write a renewal while at least four fifths of the lease are left.
            self._until = begun + self._ttl_s * 0.8
            self._cancel = self._cancel or cancel
            self._changed.notify_all()
        return True
