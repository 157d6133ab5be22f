"""Rebuilds the records of jobs from the volume, after the Redis server was emptied.

What had ended is restored as it ended; what had never started is queued again. A training that had started may still
run on a worker that knows nothing of this: it is restored as running under the newest token on the volume, so that its
worker continues undisturbed; if there is none any more, the lease expires as usual. A text is generated again, the same
because of its seed. A record is restored only if there is none, so any number of processes may do this at once.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from shared.errors import Damaged
from shared.ids import model_id_of
from shared.jobs.record import MAKES_MODEL, JobError, JobType, NewJob, Status
from shared.store import JobStore
from shared.volume import Volume

log = logging.getLogger(__name__)


def reconcile(jobs: JobStore, volume: Volume, *, lease_s: float) -> int:
    """Restore the record of every job on the volume, and return how many were missing.

    Raises:
        StoreUnavailable, VolumeUnavailable: to be done again; what was restored stays.
    """
    mark, restored = jobs.begin_comparison(), 0
    for job_id in volume.jobs.list_ids():
        try:
            job = volume.jobs.asked(job_id)
            if job is not None and jobs.find(job_id) is None:
                restored += _restore(jobs, volume, job, lease_s)
        except Damaged as exc:
            log.error("%s can't be restored: %s", job_id, exc)
    jobs.mark_whole(mark)
    if restored:
        log.warning("Redis had been emptied: %d jobs were restored from the volume", restored)
    return restored


def _restore(jobs: JobStore, volume: Volume, job: NewJob, lease_s: float) -> bool:
    end = volume.jobs.ended(job.id)
    if end is not None:
        return _restore_ended(jobs, volume, job, end)
    cancel = volume.jobs.cancel_requested(job.id)
    if token := volume.jobs.min_token(job.id):
        return jobs.restore(job, status=Status.RUNNING, token=token, lease_s=lease_s, cancel_requested=cancel)
    if cancel:
        return jobs.restore(job, status=Status.CANCELLED)
    # The volume doesn't have the tokens of a generate job; the time is above any that was counted up from 1.
    return jobs.restore(job, token=int(time.time()) if job.type is JobType.GENERATE else 0)


def _restore_ended(jobs: JobStore, volume: Volume, job: NewJob, end: Mapping[str, Any]) -> bool:
    return jobs.restore(
        job,
        status=Status(end["status"]),
        result=end.get("result"),
        error=JobError(**end["error"]) if end.get("error") else None,
        finished_ms=volume.jobs.ended_ms(job.id),
        metrics=_publish(volume, job) if job.type in MAKES_MODEL and end["status"] == Status.SUCCEEDED else (),
    )


def _publish(volume: Volume, job: NewJob) -> Sequence[Mapping[str, Any]]:
    """Publish the model if a crash prevented that, and return its losses, none if it was deleted."""
    model_id = model_id_of(job.id)
    for built in volume.jobs.built_models(job.id)[:1]:
        volume.models.publish(built, model_id)
    volume.jobs.drop_attempts(job.id)
    if volume.models.find(model_id) is None:
        return ()
    return [asdict(row) for row in volume.models.metrics(model_id)]
