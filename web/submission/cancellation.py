"""Cancels a job, in its record and on the volume."""

from shared.store import CancelOutcome
from shared.volume_sync import sync
from web.services import Services


def cancel(services: Services, job_id: str) -> CancelOutcome:
    """Cancel a job, or request that of a running one. Raises NotFound, Conflict, StoreUnavailable."""
    outcome = services.store.jobs.cancel(job_id)
    sync(services.store.jobs.get(job_id), services.store.jobs, services.volume)
    return outcome
