"""Waiting for a volume that takes no files now. The lease is kept, and requests to stop are obeyed."""

import logging
import time

from shared.errors import VolumeUnavailable
from worker.jobs.attempt import Attempt
from worker.jobs.lease import StopRequested, boottime

log = logging.getLogger(__name__)

#: Seconds between two attempts, and between two checks for a request to stop.
RETRY_S, CHECK_S = 2.0, 0.2


class VolumeRetry:
    """How long one attempt has waited."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._until: float | None = None

    def wait(self, trouble: VolumeUnavailable) -> None:
        """Wait until it is worth trying again.

        Raises:
            VolumeUnavailable: the trouble itself, after CHARLOOM_VOLUME_WAIT_S.
            StopRequested, LeaseLost
        """
        attempt, limit_s = self._attempt, self._attempt.host.settings.volume_wait_s
        if self._until is None:
            self._until = boottime() + limit_s
            log.error("%s waits for the volume: %s", attempt.job.id, trouble)
            attempt.reporter.log(
                f"What the job has made can't be written; it waits up to {limit_s:g} s. {trouble.detail}"
            )
            attempt.reporter.flush(now=True)
        if boottime() >= self._until:
            raise trouble
        again = boottime() + RETRY_S
        while boottime() < again:
            if stop := attempt.lease.check():
                raise StopRequested(stop)
            time.sleep(CHECK_S)
