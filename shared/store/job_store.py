"""Changes job records, each change one Lua script: atomic, and refused to all but the job's owner.

Longer than most files here: one method for each script, so that everything that can happen to a record is in one place,
in the order in which it happens. What only reads is in `shared/store/job_reader.py`.
"""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.errors import Conflict, LeaseLost, QuotaExceeded, RecordGone, TooManyQueued
from shared.ids import made_ms
from shared.jobs.events import Event
from shared.jobs.record import AUTOMATIC, TERMINAL, Job, JobError, Losses, NewJob, Progress, Queue, Status
from shared.store import keys, records
from shared.store.connection import translated
from shared.store.job_reader import JobReader, unknown

#: Time in which a deleted corpus or model is certainly removed from the volume, ms.
RETIRED_MS = 60_000
#: Time for the creator of a job to send its message before a reaper does, ms.
SEND_GRACE_MS = 2_000
#: A message is lost if it isn't claimed for this long while later ones are, or while the broker's queue is empty, ms.
MESSAGE_LOST_MS = 5_000

#: Most jobs that are tried for one message, while other workers claim them first.
MAX_TURNS = 100


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to work on a job, until its lease expires or another worker has a newer token."""

    job: Job
    token: int


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """What live jobs will store."""

    models: int
    texts: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Reaped:
    """What became of a silent worker's job: requeued, cancelled, failed, or sealed (it has to be completed)."""

    job_id: str
    outcome: str


class CancelOutcome(StrEnum):
    """The outcome of a request to cancel."""

    CANCELLED = "cancelled"
    CANCELLING = "cancelling"
    ALREADY = "already"


class JobStore(JobReader):
    """All that can happen to a job record. Each method is one atomic step; any raises StoreUnavailable."""

    # For those who submit jobs

    def create(
        self, job: NewJob, *, caller: str = "", most_queued: int = 0, room: Mapping[str, int] | None = None
    ) -> Job:
        """Add a new job, queued; a reaper sends its message unless `sent` is called soon.

        Args:
            job: the job.
            caller: who submits it: waiting callers take turns.
            most_queued: most waiting jobs of that caller, 0: any number.
            room: how many "model"s, "text"s and "bytes" the live jobs of its owner may make, including this one; what
                isn't limited is left out.

        Raises:
            QuotaExceeded: there is no room for what it makes.
            Conflict: a corpus or model that it needs is being deleted.
            TooManyQueued: the caller already has as many waiting jobs as allowed.
        """
        # "exists" can only mean this very job, added by a first try whose reply was lost: ids are random.
        fields = records.to_hash(job) | {"caller": caller or job.owner}
        reply = self._scripts.run("create", json.dumps(fields), SEND_GRACE_MS, most_queued, json.dumps(room or {}))
        if reply[0] == "quota":
            raise QuotaExceeded(what=reply[1])
        if reply[0] == "retired":
            raise Conflict(f"{reply[1]} is being deleted")
        if reply[0] == "full":
            raise TooManyQueued(
                f"{reply[1]} of your jobs are waiting, at most {most_queued} may. Send this one when some have started."
            )
        return records.from_flat(reply[1], reply[2])

    def sent(self, job_id: str) -> None:
        """Note that the job's message was sent."""
        self._scripts.run("sent", job_id)

    def cancel(self, job_id: str) -> CancelOutcome:
        """Cancel a queued job, or request that of a running one.

        Raises:
            NotFound: no such job.
            Conflict: it has ended otherwise, or its model is being published.
        """
        word, *rest = self._scripts.run("cancel", job_id)
        if word == "unknown":
            raise unknown(job_id)
        if word == "ended":
            raise Conflict(f"The job has already ended: it {rest[0]}. There is nothing to cancel.")
        if word == "sealed":
            raise Conflict("The job is done and its model is being published. There is nothing to cancel.")
        return CancelOutcome.ALREADY if word == "already" else CancelOutcome(rest[0])

    def reserved(self, owner: str) -> Reserved:
        """Return what the live jobs of an owner will store."""
        _, models, texts, size = self._scripts.run("reserved", owner)
        return Reserved(models=int(models), texts=int(texts), bytes=int(size))

    def retire(self, resource_id: str) -> Sequence[str]:
        """Let no new job use a corpus or model that is about to be deleted.

        Jobs that use it and that nobody submitted are cancelled; their ids are returned.

        Raises:
            Conflict: another live job uses it.
        """
        word, *ids = self._scripts.run("retire", resource_id, RETIRED_MS, json.dumps(sorted(AUTOMATIC)))
        if word == "used":
            raise Conflict(f"{resource_id} is used by {ids[0]}, which has not ended. Cancel that job first.")
        return ids

    # For workers

    def claim(
        self, job_id: str, *, worker: str, owner_id: str | None = None, lease_s: float, min_token: int = 0
    ) -> Claim | None:
        """Claim this job, regardless of turns, or return None if there is no such job in the queue.

        Args:
            job_id: the job.
            worker: the worker's name, for people.
            owner_id: identifies the process of that name; the name itself when None.
            lease_s: duration of the lease, seconds.
            min_token: this job's highest token on the volume; the new one is above it.
        """
        reply = self._scripts.run("claim", job_id, worker, _ms(lease_s), min_token, owner_id or worker, "", "[]")
        return _claim(reply)

    def claim_next(
        self, message: str, *, worker: str, owner_id: str, lease_s: float, min_token: Callable[[str], int | None]
    ) -> Claim | None:
        """Claim the job whose turn it is in the queue that a message came from, or return None if there is none.

        Args:
            message: the job that the message named: it may have started already, for another one's message.
            worker: the worker's name, for people.
            owner_id: identifies the process of that name.
            lease_s: duration of the lease, seconds.
            min_token: returns a job's highest token on the volume; None if this worker can't run the job, which is
                then left to another worker.
        """
        job_id, unfit = message, list[str]()
        for _ in range(MAX_TURNS):
            token = min_token(job_id)
            if token is None:
                unfit.append(job_id)
            reply = self._scripts.run(
                "claim", job_id, worker, _ms(lease_s), token or 0, owner_id, message, json.dumps(unfit)
            )
            if reply[0] != "turn":
                return _claim(reply)
            job_id = reply[1]
        return None  # other workers were faster each time; a reaper sends another message if necessary

    def renew(self, job_id: str, token: int, *, lease_s: float) -> bool:
        """Renew the lease; return True if a cancel is requested. Raises LeaseLost."""
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
        characters: int = 0,
    ) -> bool:
        """Record what an attempt reports; return True if a cancel is requested. Raises LeaseLost.

        Args:
            job_id: the job.
            token: of the attempt.
            progress: its progress.
            losses: the newest losses.
            events: for those who watch the job.
            saved_work: the work, in training batches, in a training state that has just been saved.
            characters: trained or written since the last record, for the fleet's counters.
        """
        saved = "" if saved_work is None else repr(saved_work)
        reported = _report(progress, losses, events, characters)
        return _owned(self._scripts.run("record", job_id, token, *reported, saved)) == "1"

    def rewind(
        self,
        job_id: str,
        token: int,
        *,
        metrics: Sequence[Mapping[str, Any]] = (),
        samples: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Reset losses and samples to those in the state that an attempt continues from. Raises LeaseLost."""
        _owned(self._scripts.run("rewind", job_id, token, _lines(metrics), _lines(samples)))

    def seal(self, job_id: str, token: int, sha256: str) -> bool:
        """Begin to publish; return False if a cancel is requested instead. Raises LeaseLost."""
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
        characters: int = 0,
    ) -> None:
        """End a running job and record the last report of its attempt.

        Raises:
            LeaseLost: another worker owns it.
            Conflict: it is sealed, so that it can only succeed.
        """
        encoded = json.dumps(dict(result), ensure_ascii=False, allow_nan=False) if result is not None else ""
        reply = self._scripts.run(
            "finish",
            job_id,
            token,
            status,
            encoded,
            records.dump_part(error) if error else "",
            *_report(progress, losses, events, characters),
        )
        if reply[0] == "sealed":
            raise Conflict(f"{job_id} is sealed: it can only succeed")
        _owned(reply)

    def release(self, job_id: str, token: int) -> Status:
        """Return a job to its queue (a drain) and return its status: queued, or cancelled if that was requested.

        Raises:
            LeaseLost: another worker owns it.
            Conflict: it is sealed.
        """
        reply = self._scripts.run("release", job_id, token)
        if reply[0] == "sealed":
            raise Conflict(f"{job_id} is sealed: it can only succeed")
        return Status(_owned(reply))

    def lose(self, message: str, *, owner_id: str) -> None:
        """End the lease of the job that a process, a child of this owner and dead, claimed for this message."""
        self._scripts.run("lose", message, owner_id)

    # For reapers

    def reap(self, *, lease_s: float, most: int = 100) -> Sequence[Reaped]:
        """Take every job whose lease has expired from its worker."""
        reply = self._scripts.run("reap", _ms(lease_s), most)
        return [Reaped(job_id=job_id, outcome=outcome) for job_id, outcome in _pairs(reply)]

    def due(self, *, stayed_empty: Callable[[Queue], bool], most: int = 100) -> Sequence[tuple[str, Queue]]:
        """Return the jobs whose message has to be sent now, with their queues. From then on they count as sent."""
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
        """Restore a job's record and return True if it was missing.

        Args:
            job: the job as submitted.
            status: queued, how it ended, or running: an attempt under `token` may still run, and continues with its
                next renewal; if it doesn't, the job is queued again after `lease_s`.
            result: of a job that ended.
            error: likewise.
            finished_ms: likewise, ms since 1970; now when None.
            metrics: likewise.
            token: the highest one on the volume.
            lease_s: of a running job, seconds.
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

    def correct(
        self,
        job_id: str,
        *,
        status: Status | None = None,
        result: Mapping[str, Any] | None = None,
        error: JobError | None = None,
        finished_ms: int = 0,
        metrics: Sequence[Mapping[str, Any]] = (),
        min_token: int = 0,
    ) -> bool:
        """Bring a record that isn't missing into agreement with the volume; return True if it was changed.

        Args:
            job_id: the job.
            status: how it ended; None: it hasn't, as far as the volume knows.
            result: of a job that ended.
            error: likewise.
            finished_ms: likewise, ms since 1970.
            metrics: likewise; if empty, the record's are kept.
            min_token: the next token of a job that is queued will be higher.
        """
        reply = self._scripts.run(
            "correct",
            job_id,
            status or "",
            records.dump(result) if result is not None else "",
            records.dump_part(error) if error else "",
            finished_ms,
            _lines(metrics),
            min_token,
        )
        return bool(reply[0] == "ok")

    def history(self) -> str:
        """Return the id of the server's history of writes: another one once it restarts, or a replica is promoted.

        Writes at the end of an earlier history may be lost.
        """
        with translated():
            return str(self._client.info("replication")["master_replid"])

    def compared(self) -> tuple[str, str | None]:
        """Return the history, and the one whose records agree with the volume; None if they haven't been compared yet.

        While they are compared, the second isn't the id of any history.
        """
        pipeline = self._client.pipeline()
        pipeline.info("replication")
        pipeline.get(keys.COMPARED)
        with translated():
            info, compared = pipeline.execute()
        return str(info["master_replid"]), compared

    def is_whole(self) -> bool:
        """Return True if the records have been compared with the volume in this history of the server."""
        history, compared = self.compared()
        return history == compared

    def begin_comparison(self) -> str:
        """Begin to compare the records with the volume; return the mark that `end_comparison` takes.

        All who begin in the same history get the same mark, until the server is emptied.
        """
        return str(self._scripts.run("begin_comparison", self.history(), secrets.token_hex(8))[1])

    def end_comparison(self, mark: str) -> None:
        """Note that the records agree with the volume, unless the server was emptied or replaced since."""
        self._scripts.run("end_comparison", mark)

    def mark_pending(self, job_id: str) -> None:
        """Note that a job's end, or a request to cancel it, still has to be written to the volume."""
        with translated():
            self._client.sadd(keys.PENDING_SYNC, job_id)

    def pending_sync(self) -> Sequence[str]:
        """Return the jobs that `mark_pending` noted."""
        with translated():
            ids: set[str] = self._client.smembers(keys.PENDING_SYNC)  # type: ignore[assignment]
        return sorted(ids)

    def clear_pending(self, job_id: str) -> None:
        """Note that it has been written to the volume."""
        with translated():
            self._client.srem(keys.PENDING_SYNC, job_id)

    def purge(self, *, age_s: float, most: int = 100) -> Sequence[str]:
        """Delete the records and events of jobs that ended longer ago than this, and return their ids."""
        return list(self._scripts.run("purge", _ms(age_s), most))


def _claim(reply: Sequence[Any]) -> Claim | None:
    return Claim(job=records.from_flat(reply[2], None), token=int(reply[1])) if reply[0] == "ok" else None


def _report(
    progress: Progress | None, losses: Losses | None, events: Sequence[Event], characters: int
) -> tuple[str, str, str, int]:
    """Return what an attempt reports in the form that the scripts take."""
    encoded = json.dumps([[event.type, json.dumps(event.data, allow_nan=False)] for event in events])
    part = records.dump_part
    return part(progress) if progress else "", part(losses) if losses else "", encoded, characters


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
