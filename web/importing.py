"""From an uploaded model file to a queued import job. The file is not looked into here: a worker reads it."""

from shared.ids import model_id_of, new_id
from shared.jobs import Job, JobType, NewJob
from shared.submit import submit
from web.parts import Parts
from web.uploads import Upload


def order(parts: Parts, upload: Upload) -> Job:
    """Queue an import. Raises TooLarge, or InvalidRequest where the file is empty."""
    job_id = new_id("job")
    job = NewJob(
        id=job_id,
        type=JobType.IMPORT,
        params={"filename": upload.filename, "name": upload.name},
        model_id=model_id_of(job_id),
        max_attempts=parts.settings.max_attempts,
    )
    return submit(
        job,
        store=parts.store,
        broker=parts.broker,
        volume=parts.volume,
        upload=upload.stream,
        max_bytes=parts.settings.max_model_bytes,
    )
