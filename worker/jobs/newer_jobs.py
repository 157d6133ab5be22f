"""Recognizes a job that only a newer version can run: during an upgrade it is left to a worker of that version."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.errors import NewerVersion
from shared.jobs.record import JobType, NewJob
from shared.requests.options import AnyTrainRequest
from shared.requests.writing import GenerateRequest
from shared.volume.job_folders import JobFolders

_CHECKS: Mapping[JobType, Callable[[Any], object]] = {
    JobType.TRAIN: TypeAdapter(AnyTrainRequest).validate_python,
    JobType.GENERATE: GenerateRequest.model_validate,
}
#: Types of the errors of a field, a recipe and a value that are not known.
_UNKNOWN = frozenset({"extra_forbidden", "recipe", "literal_error", "enum"})


def check_job(job: NewJob, folders: JobFolders) -> None:
    """Raise NewerVersion if this version can't run the job: it doesn't know an option, or can't read a checkpoint."""
    check = _CHECKS.get(job.type)
    if check is None:
        return
    if job.type is JobType.TRAIN:
        folders.states_of_line(job.id)
    try:
        check(job.params)
    except ValidationError as exc:
        unknown = [".".join(map(str, error["loc"])) or "recipe" for error in exc.errors() if error["type"] in _UNKNOWN]
        if unknown:
            raise NewerVersion(f"{job.id} has options of a newer version: {', '.join(unknown)}.") from exc
