"""Jobs to put into a store."""

from typing import Any

from shared.ids import model_id_of, new_id
from shared.jobs.record import JobType, NewJob


def make_job(job_type: JobType = JobType.TRAIN, **changes: Any) -> NewJob:
    """Make a job that uses the corpus "cor_x", with these fields changed."""
    job_id = new_id("job")
    fields: dict[str, Any] = {
        "id": job_id,
        "type": job_type,
        "params": {"corpus_id": "cor_x"},
        "model_id": model_id_of(job_id),
        "uses": ("cor_x",),
    }
    return NewJob(**fields | changes)
