"""From a training that failed or was cancelled to a new job that continues it."""

from shared.errors import Conflict
from shared.ids import model_id_of
from shared.jobs.record import Job, JobType, NewJob, Status
from web.services import Services


def prepare(services: Services, job: Job, job_id: str) -> NewJob:
    """Return the job that resumes a training: the same request, its files left as they are. Raises Conflict."""
    if (why := why_not(services, job)) is not None:
        raise Conflict(why)
    asked = services.volume.jobs.asked(job.id)
    return NewJob(
        id=job_id,
        type=JobType.TRAIN,
        params=job.params,
        metadata=job.metadata,
        webhook_secret=asked.webhook_secret if asked is not None else None,
        model_id=model_id_of(job_id),
        starting_point=job.starting_point,
        uses=job.uses,
        parent_id=job.id,
        max_attempts=services.settings.max_attempts,
        cost_seconds=asked.cost_seconds if asked is not None else 1.0,
        makes_bytes=asked.makes_bytes if asked is not None else 0,
    )


def why_not(services: Services, job: Job) -> str | None:
    """Return why this job can't be resumed, as a message, or None if it can."""
    if job.type is not JobType.TRAIN:
        return "Only a training can be resumed. Send this job again instead."
    if not job.ended:
        return "The training has not ended. Cancel it first, or let it continue."
    if job.status is Status.SUCCEEDED:
        return "The training has succeeded. To learn more, start a training from its model with init_from."
    if services.volume.corpora.find(job.params["corpus_id"]) is None:
        return "The text that it learned from has been deleted. Send the text and train again."
    if not services.volume.jobs.can_continue(job.id):
        return "It ended before it saved a state, or that state is gone. Train again."
    return None
