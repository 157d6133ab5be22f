"""Waiting for a volume that takes no files now, with the lease kept and stop requests heard."""

import logging
import time

from shared.errors import VolumeUnavailable
from worker.jobs.attempt import Attempt
from worker.jobs.lease import StopRequest, boottime

log = logging.getLogger(__name__)

#: Seconds between two tries, and between two checks for a stop request.
TRY_S, LOOK_S = 2.0, 0.2


class VolumeRetry:
    """How long one attempt has waited."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._until: float | None = None

    def wait(self, trouble: VolumeUnavailable) -> StopRequest | None:
        """Wait until it is worth another try, and return None; or why to stop.

        Raises:
            VolumeUnavailable: the trouble itself, once there has been enough waiting.
            LeaseLost
        """
        attempt, limit_s = self._attempt, self._attempt.host.settings.volume_wait_s
        if self._until is None:
            self._until = boottime() + limit_s
            log.error("%s waits for the volume: %s", attempt.job.id, trouble)
            attempt.reporter.log(f"The model is ready but can't be written; waits {limit_s:g} s. {trouble.detail}")
            attempt.reporter.flush(now=True)
        if boottime() >= self._until:
            raise trouble
        again = boottime() + TRY_S
        while boottime() < again:
            if stop := attempt.lease.check():
                return stop
            time.sleep(LOOK_S)
        return None
