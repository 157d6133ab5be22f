"""Publish a model that an attempt has built. It is sealed first, so that no crash loses it or publishes it twice.

Any worker can repeat what follows the seal. The model's id comes from the job's, so a model that exists is published;
end.json is the same each time; a second `finish` is refused as stale.
"""

import logging
from typing import Any

from shared.errors import LeaseLost
from shared.ids import model_id_of
from shared.jobs.record import End, Status
from shared.store import JobStore
from shared.volume import Volume

log = logging.getLogger(__name__)


def seal(jobs: JobStore, volume: Volume, job_id: str, token: int, *, sha256: str, result: dict[str, Any]) -> bool:
    """Seal a built model. Return False if the job is to be cancelled instead. Raises LeaseLost, VolumeUnavailable."""
    volume.jobs.keep_built(job_id, token, result)
    return jobs.seal(job_id, token, sha256)


def complete(jobs: JobStore, volume: Volume, job_id: str, token: int) -> None:
    """Publish a sealed job's model and finish the job. Raises StoreUnavailable, VolumeUnavailable: try again later."""
    built = volume.jobs.built_model(job_id, token)
    ended = volume.jobs.ended(job_id)
    result = volume.jobs.built_result(job_id, token) or (ended.result if ended else None)
    volume.jobs.end(job_id, End(status=Status.SUCCEEDED, result=result))
    volume.models.publish(built, model_id_of(job_id))
    try:
        jobs.finish(job_id, token, Status.SUCCEEDED, result=result)
    except LeaseLost:
        log.info("%s was completed by another", job_id)
    volume.jobs.drop_attempts(job_id)
    volume.jobs.drop_upload(job_id)
