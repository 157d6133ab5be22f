"""Rebuilds the records of train and import jobs from the volume, after the Redis server was emptied.

What had ended is put in as it ended. What had never begun is queued again. What had begun may still be computed by its
owner, who has heard nothing of all this: it is put in as running under the newest token that the volume knows, so that
the owner goes on undisturbed; where there is none any more, the lease runs out as ever. Each record is put in only
where there is none, so any number of reconcilers may run at once. Generate jobs live in Redis alone, and are gone.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from shared.ids import model_id_of
from shared.jobs import JobError, NewJob, Status
from shared.store import JobStore
from shared.volume import Volume

log = logging.getLogger(__name__)


def reconcile(jobs: JobStore, volume: Volume, *, lease_s: float) -> int:
    """Put every job that the volume knows back into the store, and return how many were gone.

    Raises:
        StoreUnavailable, VolumeUnavailable: to be done again; what was put in stays.
    """
    restored = 0
    for job_id in volume.jobs.list_ids():
        job = volume.jobs.asked(job_id)
        if job is not None and jobs.find(job_id) is None:
            restored += _restore(jobs, volume, job, lease_s)
    jobs.mark_whole()
    if restored:
        log.warning("Redis had been emptied: %d jobs were put back from the volume", restored)
    return restored


def _restore(jobs: JobStore, volume: Volume, job: NewJob, lease_s: float) -> bool:
    end = volume.jobs.ended(job.id)
    if end is None:
        token = volume.jobs.floor(job.id)
        if not token:
            return jobs.restore(job)
        return jobs.restore(job, status=Status.RUNNING, token=token, lease_s=lease_s)
    succeeded = end["status"] == Status.SUCCEEDED
    return jobs.restore(
        job,
        status=Status(end["status"]),
        result=end.get("result"),
        error=JobError(**end["error"]) if end.get("error") else None,
        metrics=_publish(volume, job) if succeeded else (),
    )


def _publish(volume: Volume, job: NewJob) -> Sequence[Mapping[str, Any]]:
    """Publish what a crash kept from it, and return the losses of the model, none where it has been deleted."""
    model_id = model_id_of(job.id)
    for built in volume.jobs.built_models(job.id)[:1]:
        volume.models.publish(built, model_id)
    volume.jobs.drop_attempts(job.id)
    return volume.models.metrics(model_id) if volume.models.find(model_id) else ()
