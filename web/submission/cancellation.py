"""A wish to end a job: to its record, and to the volume."""

from shared.store import CancelOutcome
from shared.volume_sync import tell
from web.services import Services


def cancel(services: Services, job_id: str) -> CancelOutcome:
    """Wish a job's end and return what came of it. Raises NotFound, Conflict, StoreUnavailable."""
    outcome = services.store.jobs.cancel(job_id)
    tell(services.store.jobs.get(job_id), services.store.jobs, services.volume)
    return outcome
