"""Changes job records, each change one Lua script: atomic, and refused to whoever doesn't own the job.

Longer than most files here: one method for each script, so that everything that can happen to a record is in one place,
in the order in which it happens. What only reads is in `shared/store/job_reader.py`.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.errors import Conflict, LeaseLost, RecordGone, TooManyQueued
from shared.ids import made_ms
from shared.jobs.events import Event
from shared.jobs.record import TERMINAL, Job, JobError, Losses, NewJob, Progress, Queue, Status
from shared.store import keys, records
from shared.store.connection import translated
from shared.store.job_reader import JobReader, unknown

#: A deleted corpus or model is gone from the volume well before this, ms.
RETIRED_MS = 60_000
#: The creator of a job has this long to send its message before a reaper does, ms.
SEND_GRACE_MS = 2_000
#: A message that was not claimed in this time while others were, or while its queue stood empty, is lost, ms.
MESSAGE_LOST_MS = 5_000


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


class CancelOutcome(StrEnum):
    """What came of a wish to cancel."""

    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    ALREADY = "already"


class JobStore(JobReader):
    """All that can happen to a job record. Each method is one atomic step; any raises StoreUnavailable."""

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
            raise unknown(job_id)
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
            "finished": str(finished_ms or "") if status in TERMINAL else "",
            "result": records.dump(result) if result is not None else "",
            "error": records.dump_part(error) if error else "",
            "token": str(token),
            "attempt": "1" if status is Status.RUNNING else "0",
            "cancel": "1" if cancel_requested else "0",
        }
        return bool(self._scripts.run("restore", json.dumps(fields), _lines(metrics), _ms(lease_s))[0] == "ok")

    def is_whole(self) -> bool:
        """Return True if the records have been compared with the volume since the server was last emptied."""
        with translated():
            return bool(self._client.get(keys.WHOLE) == "1")

    def begin_comparison(self) -> str:
        """Begin to compare the records with the volume; return the mark that `mark_whole` takes.

        All who begin before the server is emptied again get the same mark.
        """
        pipeline = self._client.pipeline()
        pipeline.set(keys.WHOLE, secrets.token_hex(8), nx=True)
        pipeline.get(keys.WHOLE)
        with translated():
            return str(pipeline.execute()[1])

    def mark_whole(self, mark: str) -> None:
        """Note that the records agree with the volume, unless the server was emptied since the mark was given."""
        self._scripts.run("mark_whole", mark)

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
