"""The commands that send the same request as a job's: with `curl` and with `charloom`."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from shared.jobs.record import Job, JobType
from shared.requests.options import AUTO, TRAIN_REQUESTS, is_default
from shared.requests.writing import GenerateRequest, WriteItems

#: Ids, and options that the command line doesn't have.
_ARGUMENTS = ("corpus_id", "model_id", "metadata", "webhook")


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The same request as two commands."""

    curl: str
    charloom: str


def of(job: Job, *, host_url: str, recognized: bool = False) -> Commands | None:
    """Return the commands for a job's request; None for jobs whose file is gone.

    Args:
        job: its parameters are included where they differ from the defaults.
        host_url: the service's URL, with a trailing slash.
        recognized: whether the text would be trained on as a list unless the commands say that it isn't.
    """
    if job.type not in (JobType.TRAIN, JobType.GENERATE):
        return None
    kind = _kind(job)
    body = {name: value for name, value in job.params.items() if name == "recipe" or _differs(kind, name, value)}
    if recognized and job.type is JobType.TRAIN and job.params.get("items", {}) is None:
        body["items"] = None
    if job.params.get("init_from", AUTO) is None and kind.model_fields["init_from"].default == AUTO:
        body["init_from"] = None
    path = "generate-jobs" if job.type is JobType.GENERATE else "train-jobs"
    verb = ["write", body["model_id"]] if job.type is JobType.GENERATE else ["train", body["corpus_id"]]
    words = ["charloom", *verb, *_options(kind, body)]
    if job.type is JobType.TRAIN:
        words.append("--follow")
    return Commands(
        curl=f"curl {host_url}api/v1/{path} --json {shlex.quote(json.dumps(body, ensure_ascii=False))}",
        charloom=shlex.join(words),
    )


def _kind(job: Job) -> type[BaseModel]:
    if job.type is JobType.GENERATE:
        return GenerateRequest
    return TRAIN_REQUESTS[job.params["recipe"]]


def _differs(kind: type[BaseModel], name: str, value: Any) -> bool:
    field = kind.model_fields.get(name)
    return field is not None and value is not None and not is_default(field, value)


def _options(kind: type[BaseModel], body: Mapping[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        option = name.replace("_", "-")
        if name == "items" and kind is GenerateRequest:
            yield from ("--items", str(value["count"]))
            yield from _options(WriteItems, {name: one for name, one in value.items() if name != "count"})
            continue
        if name == "items" and (value is None or "separator" in value):
            yield from ("--items", "none" if value is None else value["separator"].replace("\n", r"\n"))
            continue
        if name == "init_from" and value is None:
            yield from ("--init-from", "random")
            continue
        if name in _ARGUMENTS or not _differs(kind, name, value):
            continue
        if isinstance(value, bool):
            yield f"--{option}" if value else f"--no-{option}"
            continue
        for one in value if isinstance(value, list) else [value]:
            yield f"--{option}"
            yield f"{one:.10g}" if isinstance(one, float) else str(one)
