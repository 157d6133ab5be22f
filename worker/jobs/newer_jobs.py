"""Recognizes a job with options of a newer version: during an upgrade it is left to a worker that knows them."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.jobs.record import JobType, NewJob
from shared.requests.options import AnyTrainRequest
from shared.requests.writing import GenerateRequest

_CHECKS: Mapping[JobType, Callable[[Any], object]] = {
    JobType.TRAIN: TypeAdapter(AnyTrainRequest).validate_python,
    JobType.GENERATE: GenerateRequest.model_validate,
}
#: Types of the errors of a field, a recipe and a value that are not known.
_UNKNOWN = frozenset({"extra_forbidden", "recipe", "literal_error", "enum"})


class NeedsNewerWorker(Exception):
    """A job has options that this version doesn't know."""


def check_options(job: NewJob) -> None:
    """Raise NeedsNewerWorker if the job was queued by a newer version, with options that this one doesn't know."""
    check = _CHECKS.get(job.type)
    if check is None:
        return
    try:
        check(job.params)
    except ValidationError as exc:
        unknown = [".".join(map(str, error["loc"])) or "recipe" for error in exc.errors() if error["type"] in _UNKNOWN]
        if unknown:
            raise NeedsNewerWorker(f"{job.id} has options of a newer version: {', '.join(unknown)}") from exc
