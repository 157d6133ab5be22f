"""Publish a model that an attempt has built. It is sealed first, so that no crash loses it or publishes it twice.

Any worker can repeat what follows the seal. The model's id comes from the job's, so a model that exists is published;
end.json is the same each time; a second `finish` is refused as stale.
"""

import logging
from pathlib import Path
from typing import Any

from shared.errors import LeaseLost
from shared.ids import model_id_of
from shared.jobs.record import Status
from shared.store import JobStore
from shared.volume import Volume
from shared.volume.files import read_json, write_json

log = logging.getLogger(__name__)

#: The job's result, next to the built model.
_RESULT = "result.json"


def seal(jobs: JobStore, job_id: str, token: int, built: Path, *, sha256: str, result: dict[str, Any]) -> bool:
    """Seal a built model. Return False if the job is to be cancelled instead. Raises LeaseLost."""
    write_json(built.parent / _RESULT, result)
    return jobs.seal(job_id, token, sha256)


def complete(jobs: JobStore, volume: Volume, job_id: str, token: int) -> None:
    """Publish a sealed job's model and finish the job. Raises StoreUnavailable, VolumeUnavailable: try again later."""
    built = volume.jobs.built_model(job_id, token)
    ended = volume.jobs.ended(job_id)
    result = read_json(built.parent / _RESULT) or (ended or {}).get("result")
    volume.jobs.end(job_id, {"status": Status.SUCCEEDED, "result": result})
    volume.models.publish(built, model_id_of(job_id))
    try:
        jobs.finish(job_id, token, Status.SUCCEEDED, result=result)
    except LeaseLost:
        log.info("%s was completed by another", job_id)
    volume.jobs.drop_attempts(job_id)
    volume.jobs.drop_upload(job_id)
