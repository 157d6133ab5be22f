"""Writes a job's end, or a request to cancel it, to the volume, for the case that Redis is emptied.

If the volume takes no files just then, the job is noted as pending, and a reaper writes it later.
"""

import logging
from contextlib import suppress

from shared.errors import NewerVersion, StoreUnavailable, VolumeUnavailable
from shared.jobs.record import UPLOADS, End, Job, JobType
from shared.store import JobStore
from shared.volume import Volume

log = logging.getLogger(__name__)


def sync(job: Job, jobs: JobStore, volume: Volume) -> None:
    """Write a job's end, or a request to cancel it, to the volume, now or later."""
    try:
        _write(job, volume)
    except VolumeUnavailable as exc:
        log.warning("That %s is %s will be written to the volume later: %s", job.id, job.shown_status, exc)
        with suppress(StoreUnavailable):
            jobs.mark_pending(job.id)


def sync_pending(jobs: JobStore, volume: Volume) -> None:
    """Write what is pending. Raises StoreUnavailable, VolumeUnavailable: try again."""
    for job_id in jobs.pending_sync():
        try:
            job = jobs.find(job_id)
        except NewerVersion:
            continue  # a newer version writes it
        if job is not None:
            _write(job, volume)
        jobs.clear_pending(job_id)


def _write(job: Job, volume: Volume) -> None:
    if job.ended:
        end = End(status=job.status, result=job.result, error=job.error)
        volume.jobs.end(job.id, end, synced=job.type is not JobType.GENERATE)
        if job.type in UPLOADS:
            volume.jobs.drop_upload(job.id)
            volume.jobs.drop_attempts(job.id)
    elif job.cancel_requested:
        volume.jobs.request_cancel(job.id)
