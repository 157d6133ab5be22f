"""Cancels jobs, in their records and on the volume."""

from shared.store import CancelOutcome
from shared.volume_sync import sync
from web.services import Services


def cancel(services: Services, job_id: str) -> CancelOutcome:
    """Cancel a job, or request that of a running one. Raises NotFound, Conflict, StoreUnavailable."""
    outcome = services.store.jobs.cancel(job_id)
    _sync(services, job_id)
    return outcome


def retire(services: Services, resource_id: str) -> None:
    """Let no new job use a corpus or model, and cancel the jobs of it that nobody submitted, such as an examination.

    Raises:
        Conflict: another live job uses it.
        StoreUnavailable: nothing was done.
    """
    for job_id in services.store.jobs.retire(resource_id):
        _sync(services, job_id)


def _sync(services: Services, job_id: str) -> None:
    sync(services.store.jobs.get(job_id), services.store.jobs, services.volume)
