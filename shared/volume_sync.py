"""Tells the volume how a job stands, so that an emptied Redis neither forgets its end nor brings it back.

Where the volume takes no files just then, the job is noted as owed, and a reaper tells it later.
"""

import logging
from contextlib import suppress

from shared.errors import StoreUnavailable, VolumeUnavailable
from shared.jobs.record import Job, JobType
from shared.store import JobStore
from shared.volume import Volume

log = logging.getLogger(__name__)


def tell(job: Job, jobs: JobStore, volume: Volume) -> None:
    """Tell the volume of a job's end, or of a wish for it; now or later."""
    try:
        _tell(job, volume)
    except VolumeUnavailable as exc:
        log.warning("The volume will be told later that %s is %s: %s", job.id, job.shown_status, exc)
        with suppress(StoreUnavailable):
            jobs.mark_pending(job.id)


def sync_pending(jobs: JobStore, volume: Volume) -> None:
    """Tell the volume what it couldn't be told when it came. Raises StoreUnavailable, VolumeUnavailable: try again."""
    for job_id in jobs.pending_sync():
        job = jobs.find(job_id)
        if job is not None:
            _tell(job, volume)
        jobs.clear_pending(job_id)


def _tell(job: Job, volume: Volume) -> None:
    if job.ended:
        end = {"status": job.status, "result": job.result, "error": vars(job.error) if job.error else None}
        volume.jobs.end(job.id, end, synced=job.type is not JobType.GENERATE)
    elif job.cancel_requested:
        volume.jobs.request_cancel(job.id)
