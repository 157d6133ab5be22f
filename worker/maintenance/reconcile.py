"""Brings the records of jobs into agreement with the volume, after Redis was emptied, restarted or failed over.

Redis may then have none of its records, or lack its newest writes; the volume has every job that was acknowledged.

What had ended is restored as it ended; what had never started is queued again. A training that had started may still
run on a worker that knows nothing of this: it is restored as running under the newest token on the volume, so that its
worker continues undisturbed; if there is none any more, the lease expires as usual. A text is generated again, the same
because of its seed. A record is restored only if there is none, so any number of processes may do this at once.

A record that is there may be older than what was acknowledged: it is ended as the volume says, or cancelled. No job is
claimed before that is done (worker/jobs/runner.py).
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from shared.errors import Conflict, Damaged, NewerVersion
from shared.ids import model_id_of
from shared.jobs.record import MAKES_MODEL, TERMINAL, End, JobType, NewJob, Status
from shared.store import CancelOutcome, JobStore
from shared.volume import Volume

log = logging.getLogger(__name__)

#: Records that are asked for at once.
_BATCH = 500


def reconcile(jobs: JobStore, volume: Volume, *, lease_s: float) -> int:
    """Compare the record of every job on the volume with it, and return how many were restored or changed.

    Raises:
        StoreUnavailable, VolumeUnavailable: to be done again; what was restored stays.
    """
    mark, changed = jobs.begin_comparison(), Counter[str]()
    ids = volume.jobs.list_ids()
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        for job_id, status in zip(batch, jobs.statuses(batch), strict=True):
            try:
                changed.update(_compare(jobs, volume, job_id, status, lease_s))
            except (Damaged, NewerVersion) as exc:
                log.error("%s can't be compared with its record: %s", job_id, exc)
    jobs.end_comparison(mark)
    if changed:
        log.warning("Redis had lost writes: %s", ", ".join(f"{count} jobs {what}" for what, count in changed.items()))
    return changed.total()


def _compare(jobs: JobStore, volume: Volume, job_id: str, status: str | None, lease_s: float) -> Iterator[str]:
    """Bring one record into agreement with the volume, and name what was done."""
    if status in TERMINAL:
        return
    job = volume.jobs.asked(job_id)
    if job is None:
        return
    if status is None:
        if _restore(jobs, volume, job, lease_s):
            yield "restored"
        return
    end = volume.jobs.ended(job_id)
    if end is not None:
        if jobs.correct(job_id, **_end(volume, job, end)):
            yield "ended"
    elif volume.jobs.cancel_requested(job_id):
        with suppress(Conflict):
            if jobs.cancel(job_id) is not CancelOutcome.ALREADY:
                yield "cancelled"
    else:
        jobs.correct(job_id, min_token=_new_token(job))


def _restore(jobs: JobStore, volume: Volume, job: NewJob, lease_s: float) -> bool:
    end = volume.jobs.ended(job.id)
    if end is not None:
        return jobs.restore(job, **_end(volume, job, end))
    cancel = volume.jobs.cancel_requested(job.id)
    if token := volume.jobs.min_token(job.id):
        return jobs.restore(job, status=Status.RUNNING, token=token, lease_s=lease_s, cancel_requested=cancel)
    if cancel:
        return jobs.restore(job, status=Status.CANCELLED)
    return jobs.restore(job, token=_new_token(job))


def _new_token(job: NewJob) -> int:
    """Return a token that none of a queued job's attempts has had, as far as the volume doesn't know them."""
    # The volume doesn't have those of a generate job; the time is above any that was counted up from 1.
    return int(time.time()) if job.type is JobType.GENERATE else 0


def _end(volume: Volume, job: NewJob, end: End) -> dict[str, Any]:
    """Return how a job ended, as `restore` and `correct` take it."""
    made_model = job.type in MAKES_MODEL and end.status is Status.SUCCEEDED
    finished_ms = volume.jobs.ended_ms(job.id)
    return {**vars(end), "finished_ms": finished_ms, "metrics": _publish(volume, job) if made_model else ()}


def _publish(volume: Volume, job: NewJob) -> Sequence[Mapping[str, Any]]:
    """Publish the model if a crash prevented that, and return its losses, none if it was deleted."""
    model_id = model_id_of(job.id)
    for built in volume.jobs.built_models(job.id)[:1]:
        volume.models.publish(built, model_id)
    volume.jobs.drop_attempts(job.id)
    if volume.models.find(model_id) is None:
        return ()
    return [asdict(row) for row in volume.models.metrics(model_id)]
