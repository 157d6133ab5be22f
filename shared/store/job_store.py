"""Job records: every change of one is a Lua script, so that it happens whole and only to who owns it.

Longer than most files here: a method for each script and each question, so that all that can happen to a record is read
in one place, in the order in which it happens.
"""

import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.errors import Conflict, LeaseLost, NotFound, RecordGone, TooManyQueued
from shared.ids import made_ms
from shared.jobs.events import Event
from shared.jobs.record import TERMINAL, Job, JobError, JobType, Losses, NewJob, Progress, Queue, Status
from shared.store import keys, records
from shared.store.connection import Client, Pipeline, translated
from shared.store.scripts import Scripts

#: A deleted corpus or model is gone from the volume well before this, ms.
RETIRED_MS = 60_000
#: The creator of a job has this long to send its message before a reaper does, ms.
SEND_GRACE_MS = 2_000
#: A message that was not claimed in this time while others were, or while its queue stood empty, is lost, ms.
MESSAGE_LOST_MS = 5_000

#: The fields that a record's stamp is made of.
_STAMP = ("revision", "status", "started", "finished")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to work on a job, until its lease is over or somebody else has a newer token."""

    job: Job
    token: int


@dataclass(frozen=True, kw_only=True)
class Reaped:
    """What a reaper did with one job of a silent worker: requeued, cancelled, failed, or sealed (to be completed)."""

    job_id: str
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some jobs of a list, and whether more follow."""

    jobs: Sequence[Job]
    has_more: bool


class CancelOutcome(StrEnum):
    """What came of a wish to cancel."""

    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    ALREADY = "already"


class JobStore:
    """All that can happen to a job record. Each method is one atomic step; any raises StoreUnavailable."""

    def __init__(self, client: Client, scripts: Scripts) -> None:
        self._client = client
        self._scripts = scripts

    # Who sends jobs

    def create(self, job: NewJob, *, caller: str = "", most_queued: int = 0) -> Job:
        """Put in a new job, queued; a reaper sends its message unless `sent` is noted soon.

        Args:
            job: what is to be done.
            caller: who sends it.
            most_queued: jobs of that caller that may wait, 0: any number.

        Raises:
            Conflict: a corpus or model that it needs is being deleted.
            TooManyQueued: as many of the caller's jobs wait as may.
        """
        # "exists" can only be this very job, put in by a first try whose answer was lost: ids are random.
        reply = self._scripts.run("create", json.dumps(records.to_hash(job)), SEND_GRACE_MS, caller, most_queued)
        if reply[0] == "retired":
            raise Conflict(f"{reply[1]} is being deleted")
        if reply[0] == "full":
            raise TooManyQueued(
                f"{reply[1]} of your jobs are waiting, and {most_queued} may. Send this one when some have begun."
            )
        return records.from_flat(reply[1], reply[2])

    def sent(self, job_id: str) -> None:
        """Note that the job's message is with the broker."""
        self._scripts.run("sent", job_id)

    def cancel(self, job_id: str) -> CancelOutcome:
        """Wish a job's end.

        Raises:
            NotFound: no such job.
            Conflict: it ended otherwise, or is just being completed.
        """
        word, *rest = self._scripts.run("cancel", job_id)
        if word == "unknown":
            raise _unknown(job_id)
        if word == "ended":
            raise Conflict(f"The job has ended already: it {rest[0]}. Nothing is left to cancel.")
        if word == "sealed":
            raise Conflict("The job is done and its model is being published. Nothing is left to cancel.")
        return CancelOutcome.ALREADY if word == "already" else CancelOutcome(rest[0])

    def retire(self, resource_id: str) -> None:
        """Bar new jobs from a corpus or model that is about to be deleted.

        Raises:
            Conflict: a live job uses it.
        """
        reply = self._scripts.run("retire", resource_id, RETIRED_MS)
        if reply[0] == "used":
            raise Conflict(f"{resource_id} is used by {reply[1]}, which has not ended. Cancel that job first.")

    # Who asks

    def get(self, job_id: str) -> Job:
        """Return a job's record. Raises NotFound."""
        job = self.find(job_id)
        if job is None:
            raise _unknown(job_id)
        return job

    def find(self, job_id: str) -> Job | None:
        """Return a job's record, or None."""
        with translated():
            fields: Mapping[str, str] = self._client.hgetall(keys.job(job_id))  # type: ignore[assignment]
        if fields and fields["status"] == Status.QUEUED:  # the others have no place in a queue
            return next(iter(self._load([job_id])), None)
        return records.from_hash(fields, None) if fields else None

    def watched(self, job_id: str) -> tuple[Job, str]:
        """Return a job's record and an event's id: whatever happens beyond the record comes after that event.

        Raises:
            NotFound: no such job.
        """
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xrevrange(keys.events(job_id), count=1)  # before the record: what comes between is told twice
        _ask(pipeline, job_id)
        with translated():
            newest, *replies = pipeline.execute()
        job = next(_read(replies), None)
        if job is None:
            raise _unknown(job_id)
        return job, newest[0][0] if newest else "0-0"

    def stamp(self, job_id: str) -> str | None:
        """Return the stamp of a job's record (`Job.stamp`), or None: unknown."""
        with translated():
            fields: list[str | None] = self._client.hmget(keys.job(job_id), _STAMP)  # type: ignore[assignment]
        return None if fields[0] is None else "-".join(part or "" for part in fields)

    def page(
        self,
        *,
        types: Iterable[JobType] = (),
        statuses: Iterable[Status] = (),
        model_id: str | None = None,
        after: str | None = None,
        limit: int = 20,
        newest_first: bool = True,
    ) -> Page:
        """List jobs by time, filtered by type, shown status and model; no filter given lets all through."""
        pipeline = self._client.pipeline(transaction=False)
        for job_type in types or JobType:
            for status in statuses or Status:
                key = keys.index(job_type, status, model_id)
                if newest_first:
                    pipeline.zrevrangebylex(key, f"({after}" if after else "+", "-", 0, limit + 1)
                else:
                    pipeline.zrangebylex(key, f"({after}" if after else "-", "+", 0, limit + 1)
        with translated():
            lists = pipeline.execute()
        merged = list(heapq.merge(*lists, reverse=newest_first))
        return Page(jobs=list(self._load(merged[:limit])), has_more=len(merged) > limit)

    def metrics(self, job_id: str) -> Sequence[dict[str, Any]]:
        """Return every loss measured, oldest first."""
        with translated():
            return [json.loads(line) for line in self._client.lrange(keys.metrics(job_id), 0, -1)]

    def samples(self, job_id: str) -> Sequence[dict[str, Any]]:
        """Return the newest samples that a model wrote while it learned, oldest first."""
        with translated():
            return [json.loads(line) for line in self._client.lrange(keys.samples(job_id), 0, -1)]

    def queue_depths(self) -> dict[Queue, int]:
        """Return how many jobs wait in each queue."""
        with translated():
            return {queue: int(self._client.zcard(keys.queue(queue))) for queue in Queue}

    def running_on(self, worker: str) -> Sequence[str]:
        """Return the ids of the running jobs that this worker holds."""
        with translated():
            ids: Sequence[str] = self._client.zrange(keys.RUNNING, 0, -1)  # type: ignore[assignment]
        return [job.id for job in self._load(ids) if job.worker == worker]

    # Who works

    def claim(
        self, job_id: str, *, worker: str, owner_id: str | None = None, lease_s: float, min_token: int = 0
    ) -> Claim | None:
        """Take a queued job, or return None: it is not there to be taken.

        Args:
            job_id: the job that a message named.
            worker: who takes it, as people are told.
            owner_id: which process of that name; the name itself when None.
            lease_s: life of the lease, seconds.
            min_token: the highest token that the volume has seen of this job; the new one is above it.
        """
        reply = self._scripts.run("claim", job_id, worker, _ms(lease_s), min_token, owner_id or worker)
        return Claim(job=records.from_flat(reply[2], None), token=int(reply[1])) if reply[0] == "ok" else None

    def renew(self, job_id: str, token: int, *, lease_s: float) -> bool:
        """Prolong the lease; return whether a cancel is wished. Raises LeaseLost."""
        return _owned(self._scripts.run("renew", job_id, token, _ms(lease_s))) == "1"

    def record(
        self,
        job_id: str,
        token: int,
        *,
        progress: Progress | None = None,
        losses: Losses | None = None,
        events: Sequence[Event] = (),
        saved_work: float | None = None,
    ) -> bool:
        """Record what an attempt reports; return True if a cancel is requested. Raises LeaseLost.

        Args:
            job_id: the job.
            token: of the attempt.
            progress: how far it is.
            losses: the newest losses.
            events: what those who watch the job see.
            saved_work: the work, in training batches, that a training state holds which has just been saved.
        """
        saved = "" if saved_work is None else repr(saved_work)
        return _owned(self._scripts.run("record", job_id, token, *_report(progress, losses, events), saved)) == "1"

    def rewind(
        self,
        job_id: str,
        token: int,
        *,
        metrics: Sequence[Mapping[str, Any]] = (),
        samples: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Set losses and samples to those that a resumed attempt's state knows. Raises LeaseLost."""
        _owned(self._scripts.run("rewind", job_id, token, _lines(metrics), _lines(samples)))

    def seal(self, job_id: str, token: int, sha256: str) -> bool:
        """Begin publishing; False where a cancel is wished instead. Raises LeaseLost."""
        reply = self._scripts.run("seal", job_id, token, sha256)
        if reply[0] == "cancel":
            return False
        _owned(reply)
        return True

    def finish(
        self,
        job_id: str,
        token: int,
        status: Status,
        *,
        result: Mapping[str, Any] | None = None,
        error: JobError | None = None,
        progress: Progress | None = None,
        losses: Losses | None = None,
        events: Sequence[Event] = (),
    ) -> None:
        """End a running job and write down what its attempt reports last.

        Raises:
            LeaseLost: somebody else owns it.
            Conflict: it is sealed and should not succeed.
        """
        spelled = json.dumps(dict(result), ensure_ascii=False, allow_nan=False) if result is not None else ""
        reply = self._scripts.run(
            "finish",
            job_id,
            token,
            status,
            spelled,
            records.dump_part(error) if error else "",
            *_report(progress, losses, events),
        )
        if reply[0] == "sealed":
            raise Conflict(f"{job_id} is sealed: it can only succeed")
        _owned(reply)

    def release(self, job_id: str, token: int) -> Status:
        """Give a job back to its queue (a drain) and return where it went: queued, or cancelled where that was wished.

        Raises:
            LeaseLost: somebody else owns it.
            Conflict: it is sealed.
        """
        reply = self._scripts.run("release", job_id, token)
        if reply[0] == "sealed":
            raise Conflict(f"{job_id} is sealed: it can only succeed")
        return Status(_owned(reply))

    def lose(self, job_id: str, *, owner_id: str) -> None:
        """End the lease of a job whose process, a child of this owner, is dead."""
        self._scripts.run("lose", job_id, owner_id)

    # Who looks after all

    def reap(self, *, lease_s: float, most: int = 100) -> Sequence[Reaped]:
        """Take every job whose lease is over from its silent worker."""
        reply = self._scripts.run("reap", _ms(lease_s), most)
        return [Reaped(job_id=job_id, outcome=outcome) for job_id, outcome in _pairs(reply)]

    def due(self, *, stayed_empty: Callable[[Queue], bool], most: int = 100) -> Sequence[tuple[str, Queue]]:
        """Return the jobs whose message is to be sent now, with the queue. They count as sent from here on."""
        flags = json.dumps({queue: stayed_empty(queue) for queue in Queue})
        reply = self._scripts.run("due", MESSAGE_LOST_MS, most, flags)
        return [(job_id, Queue(queue)) for job_id, queue in _pairs(reply)]

    def restore(
        self,
        job: NewJob,
        *,
        status: Status = Status.QUEUED,
        result: Mapping[str, Any] | None = None,
        error: JobError | None = None,
        finished_ms: int | None = None,
        metrics: Sequence[Mapping[str, Any]] = (),
        token: int = 0,
        lease_s: float = 0,
        cancel_requested: bool = False,
    ) -> bool:
        """Put a job's record in again and return whether it was gone.

        Args:
            job: what was asked.
            status: queued, how it ended, or running: an attempt under `token` may live, and goes on by its next
                renewal; where it doesn't, the job is queued again once `lease_s` is over.
            result: of one that ended.
            error: likewise.
            finished_ms: likewise, ms since 1970; now when None.
            metrics: likewise.
            token: the highest that the volume knows.
            lease_s: of a running one, seconds.
            cancel_requested: likewise.
        """
        fields = records.to_hash(job) | {
            "status": status,
            "created": str(made_ms(job.id)),
            "finished": str(finished_ms or self._now_ms()) if status in TERMINAL else "",
            "result": records.dump(result) if result is not None else "",
            "error": records.dump_part(error) if error else "",
            "token": str(token),
            "attempt": "1" if status is Status.RUNNING else "0",
            "cancel": "1" if cancel_requested else "0",
        }
        return bool(self._scripts.run("restore", json.dumps(fields), _lines(metrics), _ms(lease_s))[0] == "ok")

    def _now_ms(self) -> int:
        with translated():
            seconds, micros = self._client.time()
        return seconds * 1000 + micros // 1000

    def is_whole(self) -> bool:
        """Return True if the records have been held against the volume since the server was last emptied."""
        with translated():
            return bool(self._client.exists(keys.WHOLE))

    def mark_whole(self) -> None:
        """Note that the records agree with the volume."""
        with translated():
            self._client.set(keys.WHOLE, "1")

    def mark_pending(self, job_id: str) -> None:
        """Note that the volume has still to be told of a job's end, or of a wish for it."""
        with translated():
            self._client.sadd(keys.OWED, job_id)

    def pending_sync(self) -> Sequence[str]:
        """Return the jobs of which the volume has still to be told."""
        with translated():
            ids: set[str] = self._client.smembers(keys.OWED)  # type: ignore[assignment]
        return sorted(ids)

    def clear_pending(self, job_id: str) -> None:
        """Note that the volume has been told."""
        with translated():
            self._client.srem(keys.OWED, job_id)

    def purge(self, *, age_s: float, most: int = 100) -> Sequence[str]:
        """Forget jobs that ended longer ago than this, with their events, and return their ids."""
        return list(self._scripts.run("purge", _ms(age_s), most))

    def _load(self, ids: Sequence[str]) -> Iterator[Job]:
        pipeline = self._client.pipeline(transaction=False)
        for job_id in ids:
            _ask(pipeline, job_id)
        with translated():
            replies = pipeline.execute() if ids else []
        yield from _read(replies)


def _ask(pipeline: Pipeline, job_id: str) -> None:
    """Ask for all that `_read` needs of one job."""
    pipeline.hgetall(keys.job(job_id))
    for queue in Queue:
        pipeline.zrank(keys.queue(queue), job_id)


def _read(replies: Sequence[Any]) -> Iterator[Job]:
    """Read the records that were asked for, those that there are."""
    for start in range(0, len(replies), 1 + len(Queue)):
        fields, *ranks = replies[start : start + 1 + len(Queue)]
        rank = next((rank for rank in ranks if rank is not None), None)
        if fields:
            yield records.from_hash(fields, None if rank is None else rank + 1)


def _report(progress: Progress | None, losses: Losses | None, events: Sequence[Event]) -> tuple[str, str, str]:
    """Spell what an attempt reports as the scripts take it."""
    spelled = json.dumps([[event.type, json.dumps(event.data, allow_nan=False)] for event in events])
    part = records.dump_part
    return part(progress) if progress else "", part(losses) if losses else "", spelled


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps([json.dumps(row, allow_nan=False) for row in rows])


def _pairs(flat: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _owned(reply: Sequence[str]) -> str:
    if reply[0] == "stale":
        raise LeaseLost
    if reply[0] == "gone":
        raise RecordGone
    return reply[1] if len(reply) > 1 else ""


def _unknown(job_id: str) -> NotFound:
    return NotFound(f"There is no job {job_id}. It may have ended long ago and been forgotten.")
