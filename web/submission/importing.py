"""From an uploaded model file to a queued import job. The file is not looked into here: a worker reads it."""

from shared.ids import model_id_of, new_id
from shared.jobs.record import Job, JobType, NewJob
from web.http.uploads import Upload
from web.security.rate_limits import queue
from web.services import Services


def order(services: Services, upload: Upload) -> Job:
    """Queue an import. Raises TooLarge, or InvalidRequest where the file is empty."""
    job_id = new_id("job")
    job = NewJob(
        id=job_id,
        type=JobType.IMPORT,
        params={"filename": upload.filename, "name": upload.name},
        model_id=model_id_of(job_id),
        max_attempts=services.settings.max_attempts,
    )
    return queue(services, job, upload=upload)
