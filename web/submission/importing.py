"""From an uploaded model file to a queued import job. The file is not looked into here: a worker reads it."""

from shared.ids import model_id_of
from shared.jobs.record import JobType, NewJob
from web.http.uploads import Upload
from web.services import Services


def prepare(services: Services, upload: Upload, job_id: str) -> NewJob:
    """Return the job that imports an upload."""
    return NewJob(
        id=job_id,
        type=JobType.IMPORT,
        params={"filename": upload.filename, "name": upload.name},
        model_id=model_id_of(job_id),
        makes_bytes=2 * upload.size_bytes,
        max_attempts=services.settings.max_attempts,
    )
