"""Converts between a job's hash in Redis and the typed record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from shared.jobs.record import (
    MAKES,
    MAKES_MODEL,
    VERSION,
    Job,
    JobError,
    JobType,
    Losses,
    NewJob,
    Progress,
    StartingPoint,
    Status,
)

#: A record or a part of one: a dataclass.
Part = TypeVar("Part", bound=Any)


def to_hash(job: NewJob) -> dict[str, str]:
    """Return a new job as the fields of its hash, all strings; "" is None."""
    return {
        "version": str(VERSION.newest),
        "id": job.id,
        "type": job.type,
        "queue": job.queue,
        "status": Status.QUEUED,
        "params": dump(job.params),
        "metadata": dump(job.metadata),
        "webhook": dump(job.params["webhook"]) if job.params.get("webhook") else "",
        "webhook_secret": job.webhook_secret or "",
        "model_id": job.model_id,
        "starting_point": dump_part(job.starting_point) if job.starting_point else "",
        "uses": dump(job.uses),
        "parent_id": job.parent_id or "",
        "caller": job.owner,
        "owner": job.owner,
        "makes": f"{'model' if job.type in MAKES_MODEL else 'text'}:{job.makes_bytes}" if job.type in MAKES else "",
        "priority": str(job.params.get("priority", "normal")),
        "cost": str(max(1, round(job.cost_seconds * 1000))),
        "turn": "",
        "message": "",
        "request_id": job.request_id or "",
        "traceparent": job.traceparent or "",
        "max_attempts": str(job.max_attempts),
        "attempt": "0",
        "token": "0",
        "losses": "0",
        "saved_work": "0",
        "lease_until": "0",
        "lease": "0",
        "owner_id": "",
        "cancel": "0",
        **dict.fromkeys(("started", "finished", "sent", "sealed", "worker", "claimed", "queued"), ""),
        **dict.fromkeys(("progress", "metrics", "result", "error"), ""),
    }


def from_flat(flat: Sequence[str], rank: int | None) -> Job:
    """Read a job's hash as a script returns it, names and values in turn; rank: jobs before it in its queue."""
    return from_hash(*unflattened(flat, rank))


def unflattened(flat: Sequence[str], rank: int | None) -> tuple[dict[str, str], int | None]:
    """Return a hash that a script returned, and its place in its queue, as `from_hash` takes them."""
    return dict(zip(flat[::2], flat[1::2], strict=True)), None if rank is None else rank + 1


def from_hash(fields: Mapping[str, str], queue_position: int | None) -> Job:
    """Read a job's hash. Ignores fields that this version doesn't know. Raises NewerVersion."""
    VERSION.check(fields, f"The record of {fields['id']}")

    def number(name: str) -> int | None:
        return int(fields[name]) if fields.get(name) else None

    return Job(
        id=fields["id"],
        type=JobType(fields["type"]),
        status=Status(fields["status"]),
        params=json.loads(fields["params"]),
        metadata=json.loads(fields["metadata"]),
        model_id=fields["model_id"],
        starting_point=known(StartingPoint, fields.get("starting_point", "")),
        uses=tuple(json.loads(fields["uses"])),
        parent_id=fields["parent_id"] or None,
        request_id=fields.get("request_id") or None,
        traceparent=fields.get("traceparent") or None,
        owner=fields.get("owner", ""),
        created_ms=int(fields["created"]),
        started_ms=number("started"),
        claimed_ms=number("claimed"),
        finished_ms=number("finished"),
        attempt=int(fields["attempt"]),
        token=int(fields["token"]),
        lost_attempts=int(fields["losses"]),
        max_attempts=int(fields["max_attempts"]),
        lease_until_ms=int(fields["lease_until"]),
        cancel_requested=fields["cancel"] == "1",
        sealed=fields["sealed"] or None,
        worker=fields["worker"] or None,
        progress=known(Progress, fields["progress"]) or Progress(),
        metrics=known(Losses, fields["metrics"]) or Losses(),
        result=json.loads(fields["result"]) if fields["result"] else None,
        error=known(JobError, fields["error"]),
        revision=int(fields.get("revision", "0")),
        queue_position=queue_position,
    )


def known(kind: type[Part], text: str) -> Part | None:
    """Read a part of a record from its JSON, None from "". Ignores what a newer version has added."""
    if not text:
        return None
    values = json.loads(text)
    part: Part = kind(**{name: value for name, value in values.items() if name in kind.__dataclass_fields__})
    return part


def dump_part(part: Progress | Losses | JobError | StartingPoint) -> str:
    """Return a part of the record as JSON."""
    return dump(asdict(part))


def dump(value: object) -> str:
    """Return a value as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
