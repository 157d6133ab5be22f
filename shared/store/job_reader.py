"""Reads job records and lists of them, each as a consistent snapshot. Changes nothing."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from shared.errors import NewerVersion, NotFound
from shared.jobs.record import Job, JobType, Queue, Status
from shared.store import keys, records
from shared.store.connection import Client, Pipeline, translated
from shared.store.scripts import Scripts

#: The fields that a record's stamp is made of.
_STAMP = ("revision", "status", "started", "finished")


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of a list of jobs, and whether more follow."""

    jobs: Sequence[Job]
    has_more: bool


class JobReader:
    """Reads jobs. Any method raises StoreUnavailable.

    One that returns one job raises NewerVersion where a newer version wrote its record; lists are without such jobs.
    """

    def __init__(self, client: Client, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    def get(self, job_id: str) -> Job:
        """Return a job's record. Raises NotFound."""
        job = self.find(job_id)
        if job is None:
            raise unknown(job_id)
        return job

    def find(self, job_id: str) -> Job | None:
        """Return a job's record, or None."""
        with translated():
            fields: dict[str, str] = self._client.hgetall(keys.job(job_id))  # type: ignore[assignment]
        if fields and fields["status"] == Status.QUEUED:  # only these have a place in a queue
            return next((records.from_hash(*found) for found in self._load([job_id])), None)
        return records.from_hash(fields, None) if fields else None

    def statuses(self, ids: Sequence[str]) -> list[str | None]:
        """Return the statuses of these jobs, also those of newer versions; None for unknown jobs."""
        pipeline = self._client.pipeline(transaction=False)
        for job_id in ids:
            pipeline.hget(keys.job(job_id), "status")
        with translated():
            return list(pipeline.execute())

    def find_all(self, job_ids: Sequence[str]) -> Sequence[Job]:
        """Return the records of those of the jobs that exist."""
        return list(_readable(self._load(job_ids)))

    def watched(self, job_id: str) -> tuple[Job, str]:
        """Return a job's record and the id of its newest event, "0-0" if there is none. Raises NotFound."""
        pipeline = self._client.pipeline()
        pipeline.xrevrange(keys.events(job_id), count=1)
        _ask(pipeline, job_id)
        with translated():
            newest, *replies = pipeline.execute()
        found = next(_read(replies), None)
        if found is None:
            raise unknown(job_id)
        return records.from_hash(*found), newest[0][0] if newest else "0-0"

    def stamp(self, job_id: str) -> str | None:
        """Return the stamp of a job's record (`Job.stamp`), or None if there is no such job."""
        with translated():
            fields: list[str | None] = self._client.hmget(keys.job(job_id), _STAMP)  # type: ignore[assignment]
        return None if fields[0] is None else "-".join(part or "" for part in fields)

    def page(
        self,
        *,
        types: Iterable[JobType] = (),
        statuses: Iterable[Status] = (),
        model_id: str | None = None,
        corpus_id: str | None = None,
        after: str | None = None,
        limit: int = 20,
        newest_first: bool = True,
    ) -> Page:
        """List jobs by time, filtered by type, shown status, and model or corpus; an empty filter matches all."""
        of = model_id or corpus_id
        indexes = [keys.index(job_type, status, of) for job_type in types or JobType for status in statuses or Status]
        _, more, found = self._scripts.run("page", json.dumps(indexes), after or "", limit, int(newest_first))
        pairs = zip(found[::2], found[1::2], strict=True)
        return Page(jobs=list(_readable(records.unflattened(*pair) for pair in pairs)), has_more=bool(more))

    def metrics(self, job_id: str) -> Sequence[dict[str, Any]]:
        """Return every loss measured, oldest first."""
        with translated():
            return [json.loads(line) for line in self._client.lrange(keys.metrics(job_id), 0, -1)]

    def samples(self, job_id: str) -> Sequence[dict[str, Any]]:
        """Return the newest samples that a model wrote during its training, oldest first."""
        with translated():
            return [json.loads(line) for line in self._client.lrange(keys.samples(job_id), 0, -1)]

    def queue_depths(self) -> dict[Queue, int]:
        """Return how many jobs wait in each queue."""
        pipeline = self._client.pipeline()
        for queue in Queue:
            pipeline.zcard(keys.queue(queue))
        with translated():
            return dict(zip(Queue, pipeline.execute(), strict=True))

    def running_on(self, worker: str) -> Sequence[Job]:
        """Return the running jobs that this worker holds."""
        with translated():
            ids: Sequence[str] = self._client.zrange(keys.RUNNING, 0, -1)  # type: ignore[assignment]
        # The records are read later than the list: one of its jobs may have ended meanwhile.
        return [job for job in self.find_all(ids) if job.worker == worker and job.status is Status.RUNNING]

    def _load(self, ids: Sequence[str]) -> Iterator[tuple[Mapping[str, str], int | None]]:
        """Read the records of those of the jobs that exist, and their places in the queues."""
        pipeline = self._client.pipeline()
        for job_id in ids:
            _ask(pipeline, job_id)
        with translated():
            replies = pipeline.execute() if ids else []
        yield from _read(replies)


def unknown(job_id: str) -> NotFound:
    """Return the error for a job that isn't there."""
    return NotFound(f"There is no job {job_id}. It may have ended long ago and been deleted.")


def _ask(pipeline: Pipeline, job_id: str) -> None:
    """Request everything that `_read` needs of one job."""
    pipeline.hgetall(keys.job(job_id))
    for queue in Queue:
        pipeline.zrank(keys.queue(queue), job_id)


def _read(replies: Sequence[Any]) -> Iterator[tuple[Mapping[str, str], int | None]]:
    """Return those of the requested records that exist, with their places in the queues."""
    for start in range(0, len(replies), 1 + len(Queue)):
        fields, *ranks = replies[start : start + 1 + len(Queue)]
        rank = next((rank for rank in ranks if rank is not None), None)
        if fields:
            yield fields, None if rank is None else rank + 1


def _readable(found: Iterable[tuple[Mapping[str, str], int | None]]) -> Iterator[Job]:
    """Read records, and leave out those of newer versions."""
    for fields, position in found:
        with suppress(NewerVersion):
            yield records.from_hash(fields, position)
