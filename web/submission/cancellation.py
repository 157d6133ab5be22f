"""A wish to end a job: to its record, and to the volume."""

from shared.store import CancelOutcome
from shared.volume_sync import tell
from web.services import Parts


def cancel(parts: Parts, job_id: str) -> CancelOutcome:
    """Wish a job's end and return what came of it. Raises NotFound, Conflict, StoreUnavailable."""
    outcome = parts.store.jobs.cancel(job_id)
    tell(parts.store.jobs.get(job_id), parts.store.jobs, parts.volume)
    return outcome
