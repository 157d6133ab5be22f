"""A wish to end a job: to its record, and to the volume, so that an emptied Redis doesn't bring the job back."""

import logging

from shared.errors import VolumeUnavailable
from shared.jobs import Status
from shared.store import CancelOutcome
from web.parts import Parts

log = logging.getLogger(__name__)


def cancel(parts: Parts, job_id: str) -> CancelOutcome:
    """Wish a job's end and return what came of it. Raises NotFound, Conflict, StoreUnavailable."""
    outcome = parts.store.jobs.cancel(job_id)
    try:
        if outcome is CancelOutcome.CANCELLED:
            parts.volume.jobs.end(job_id, {"status": Status.CANCELLED}, synced=False)
        elif outcome is CancelOutcome.CANCELLING:
            parts.volume.jobs.wish_cancel(job_id)
    except VolumeUnavailable as exc:
        log.warning("%s is cancelled in Redis alone: %s", job_id, exc)
    return outcome
