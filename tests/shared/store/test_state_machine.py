"""Random histories of jobs on a real server, held step by step against a plain model of the rules.

Longer than most files, since a model is only worth something whole. It is written from `docs/architecture.md`, ADR 5
and the docstrings of `JobStore`, and knows nothing of how the scripts do it. After each step everything that the server
holds must be what the model says: no key more, none less.

Time is made to pass by moving every moment that the server has written into the past (`SHIFT`). All spans are longer
than a test takes, so that its own seconds decide nothing.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.errors import Conflict, LeaseLost, NotFound, RecordGone
from shared.jobs.events import Event, EventType
from shared.jobs.record import MAKES_MODEL, JobError, JobType, NewJob, Progress, Queue, Status
from shared.store import CancelOutcome, Store, connect, keys
from shared.store import job_store as store_jobs

#: Time passes in steps of a thousand seconds, and every span ends between two steps, ms.
TICK = 1_000_000
GRACE, LEASE, LOST, RETIRED, AGE = (round(ticks * TICK) for ticks in (1.5, 2.5, 2.5, 3.5, 4.5))
LONG_AGO = -(10**9)

WORKERS = ("w1", "w2", "w3")
CALLERS = ("ann", "bob")
PRIORITIES = {"low": 4, "normal": 1, "high": 0.25}
RESOURCES = ("cor_a", "cor_b", "mod_a")
ENDS = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)

#: Moves every moment that decides something ARGV[1] ms into the past; ARGV[2] is the layout of keys.
SHIFT = """
local by, layout = tonumber(ARGV[1]), cjson.decode(ARGV[2])
local function all(kind) return redis.call('KEYS', layout[kind] .. '*') end
for _, key in ipairs(all('job')) do
  for _, name in ipairs({'sent', 'lease_until'}) do
    local at = redis.call('HGET', key, name)
    if at and at ~= '' then redis.call('HSET', key, name, string.format('%.0f', at - by)) end
  end
end
for _, kind in ipairs({'running', 'outbox', 'ended'}) do
  for _, key in ipairs(all(kind)) do
    for _, id in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZINCRBY', key, -by, id) end
  end
end
for _, key in ipairs(all('claimed')) do redis.call('DECRBY', key, ARGV[1]) end
for _, key in ipairs(all('retired')) do
  local left = redis.call('PTTL', key) - by
  if left > 0 then redis.call('PEXPIRE', key, left) else redis.call('DEL', key) end
end
"""

#: Returns all that the server holds, as JSON: key -> its content.
DUMP = """
local read = {
  hash = {'HGETALL'}, set = {'SMEMBERS'}, string = {'GET'}, list = {'LRANGE', 0, -1}, stream = {'XRANGE', '-', '+'},
  zset = {'ZRANGE', 0, -1},
}
local held = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local command = read[redis.call('TYPE', key).ok]
  held[key] = redis.call(command[1], key, unpack(command, 2))
end
return cjson.encode(held)
"""


@dataclass
class Modelled:
    """What the rules say of one job."""

    job: NewJob
    #: Who sent it; "" where that was forgotten.
    caller: str
    #: Its place in its queue; 0 for one that has had its turn.
    turn: int
    #: From when on its message is due; None: it is sent, or needs none.
    due_at: int | None
    #: The queue's clock when it came.
    came_at: int = 0
    #: What callers' jobs that came later and had their turns before have cost, by caller and priority, weighed.
    overtaken: dict[tuple[str, str], int] = field(default_factory=dict)
    status: Status = Status.QUEUED
    sent_at: int | None = None
    token: int = 0
    attempt: int = 0
    lost: int = 0
    saved: int = 0
    worker: str | None = None
    lease_until: int = LONG_AGO
    cancel_requested: bool = False
    sealed: bool = False
    ended_at: int | None = None
    step: int = 0
    rows: list[int] = field(default_factory=list)
    #: The statuses that were published as events.
    announced: list[Status] = field(default_factory=list)

    @property
    def shown(self) -> Status:
        cancelling = self.status is Status.RUNNING and self.cancel_requested
        return Status.CANCELLING if cancelling else self.status

    @property
    def live(self) -> bool:
        return self.ended_at is None

    def become(self, status: Status, now: int) -> None:
        self.status, self.cancel_requested = status, False
        if status is Status.QUEUED:
            self.due_at, self.sent_at = now, None
        else:
            self.due_at = None
        if status in ENDS:
            self.ended_at = now
        self.announced.append(status)


class Model:
    """The rules: what each call brings about, and what it returns or raises."""

    def __init__(self) -> None:
        self.now = 0
        self.jobs: dict[str, Modelled] = {}
        self.retired: dict[str, int] = {}
        self.claimed: dict[Queue, int] = {}
        self.clocks: dict[Queue, int] = {}
        #: The turn of each caller's last job of each priority, by queue.
        self.turns: dict[Queue, dict[tuple[str, str], int]] = {queue: {} for queue in Queue}

    def owned(self, job_id: str, token: int) -> Modelled:
        job = self.jobs.get(job_id)
        if job is None:
            raise RecordGone
        if job.status is not Status.RUNNING or job.token != token:
            raise LeaseLost
        return job

    def take_turn(self, job: NewJob, caller: str) -> int:
        turns, priority = self.turns[job.queue], job.params["priority"]
        if not self.waiting(job.queue):
            turns.clear()
            self.clocks[job.queue] = self.now
        clock = self.clocks[job.queue]
        after = max(clock, turns.get((caller, priority), clock))
        if priority == "low":
            after = max(after, turns.get((caller, "normal"), clock))
        turns[caller, priority] = after + weighed(job)
        return turns[caller, priority]

    def leave_queue(self, job: Modelled) -> None:
        """Forget what a caller has cost who has nothing waiting any more. Call it when the job has left its queue."""
        if not any(other.status is Status.QUEUED and other.caller == job.caller for other in self.jobs.values()):
            for priority in PRIORITIES:
                self.turns[job.job.queue].pop((job.caller, priority), None)

    def create(self, job: NewJob, caller: str) -> None:
        if job.id in self.jobs:
            return
        if any(self.retired.get(resource, LONG_AGO) > self.now for resource in job.uses):
            raise Conflict
        turn = self.take_turn(job, caller)
        self.jobs[job.id] = Modelled(
            job,
            caller=caller,
            turn=turn,
            came_at=self.clocks[job.queue],
            due_at=self.now + GRACE,
            announced=[Status.QUEUED],
        )

    def restore(self, job: NewJob, status: Status, rows: list[int], token: int = 0) -> bool:
        if job.id in self.jobs:
            return False
        self.jobs[job.id] = Modelled(
            job,
            caller=job.owner,
            turn=self.take_turn(job, job.owner) if status is Status.QUEUED else 0,
            came_at=self.clocks.get(job.queue, LONG_AGO),
            due_at=self.now if status is Status.QUEUED else None,
            status=status,
            ended_at=self.now if status in ENDS else None,
            rows=rows,
            announced=[status],
            token=token,
            attempt=1 if token else 0,
            lease_until=self.now + LEASE,
        )
        return True

    def sent(self, job_id: str) -> None:
        job = self.jobs.get(job_id)
        if job is not None and job.status is Status.QUEUED:
            job.sent_at, job.due_at = self.now, None

    def claim(self, job_id: str, worker: str, min_token: int) -> int | None:
        job = self.jobs.get(job_id)
        if job is None or job.status is not Status.QUEUED:
            return None
        if job.sent_at is not None:
            self.claimed[job.job.queue] = max(self.claimed.get(job.job.queue, LONG_AGO), job.sent_at)
        return self.begin(job, worker, min_token)

    def claim_next(self, message: str, worker: str, min_token: int) -> tuple[str, int] | None:
        named = self.jobs.get(message)
        if named is None or not (waiting := self.waiting(named.job.queue)):
            return None
        job, queue = self.jobs[waiting[0]], named.job.queue
        self.note_overtaking(job)
        sent_at = job.sent_at if job is named else None
        if job is not named and named.status is Status.QUEUED:
            sent_at, named.sent_at = named.sent_at, job.sent_at
            named.due_at = named.due_at if job.due_at is None else job.due_at
        if sent_at is not None:
            self.claimed[queue] = max(self.claimed.get(queue, LONG_AGO), sent_at)
        return job.job.id, self.begin(job, worker, min_token)

    def note_overtaking(self, job: Modelled) -> None:
        """Count what those wait longer for this job that came before it. Nobody waits for more than a share."""
        came = list(self.jobs.values())
        for other in came[: came.index(job)] if job.turn else ():
            if other.status is not Status.QUEUED or other.job.queue is not job.job.queue or not other.turn:
                continue
            flow = job.caller, job.job.params["priority"]
            other.overtaken[flow] = other.overtaken.get(flow, 0) + weighed(job.job)
            assert other.overtaken[flow] <= other.turn - other.came_at, "nobody starves"

    def begin(self, job: Modelled, worker: str, min_token: int) -> int:
        self.clocks[job.job.queue] = max(self.clocks.get(job.job.queue, LONG_AGO), job.turn)
        job.become(Status.RUNNING, self.now)
        self.leave_queue(job)
        job.turn = 0
        job.token = max(job.token, min_token) + 1
        job.attempt += 1
        job.worker, job.lease_until = worker, self.now + LEASE
        return job.token

    def renew(self, job_id: str, token: int) -> bool:
        job = self.owned(job_id, token)
        job.lease_until = self.now + LEASE
        return job.cancel_requested

    def record(self, job_id: str, token: int, step: int, saved: int | None) -> bool:
        job = self.owned(job_id, token)
        job.step = step
        if saved is not None and saved > job.saved:
            job.saved, job.lost = saved, 0
        job.rows.append(step)
        return job.cancel_requested

    def rewind(self, job_id: str, token: int, rows: list[int]) -> None:
        self.owned(job_id, token).rows = rows

    def seal(self, job_id: str, token: int) -> bool:
        job = self.owned(job_id, token)
        job.sealed = not job.cancel_requested
        return job.sealed

    def finish(self, job_id: str, token: int, status: Status) -> None:
        job = self.owned(job_id, token)
        if job.sealed and status is not Status.SUCCEEDED:
            raise Conflict
        job.become(status, self.now)

    def release(self, job_id: str, token: int) -> Status:
        job = self.owned(job_id, token)
        if job.sealed:
            raise Conflict
        job.become(Status.CANCELLED if job.cancel_requested else Status.QUEUED, self.now)
        return job.status

    def cancel(self, job_id: str) -> CancelOutcome:
        job = self.jobs.get(job_id)
        if job is None:
            raise NotFound
        if job.shown in (Status.CANCELLED, Status.CANCELLING):
            return CancelOutcome.ALREADY
        if not job.live or job.sealed:
            raise Conflict
        if job.status is Status.QUEUED:
            job.become(Status.CANCELLED, self.now)
            self.leave_queue(job)
            return CancelOutcome.CANCELLED
        job.cancel_requested = True
        job.announced.append(Status.CANCELLING)
        return CancelOutcome.CANCELLING

    def lose(self, job_id: str, worker: str) -> None:
        job = self.jobs.get(job_id)
        if job is not None and job.status is Status.RUNNING and job.worker == worker:
            job.lease_until = LONG_AGO

    def reap(self) -> dict[str, str]:
        outcomes = {}
        for job_id, job in self.jobs.items():
            if job.status is not Status.RUNNING or job.lease_until > self.now:
                continue
            if job.sealed:
                job.lease_until = self.now + LEASE
                outcomes[job_id] = "sealed"
            elif job.cancel_requested:
                job.become(Status.CANCELLED, self.now)
                outcomes[job_id] = "cancelled"
            elif job.worker is None:
                job.become(Status.QUEUED, self.now)
                outcomes[job_id] = "requeued"
            else:
                job.lost += 1
                failed = job.lost >= job.job.max_attempts
                job.become(Status.FAILED if failed else Status.QUEUED, self.now)
                outcomes[job_id] = "failed" if failed else "requeued"
        return outcomes

    def due(self, stayed_empty: Mapping[Queue, bool]) -> dict[str, Queue]:
        found = {}
        for job_id, job in self.jobs.items():
            queue = job.job.queue
            if job.status is not Status.QUEUED:
                continue
            lost = job.sent_at is not None and self.now - job.sent_at > LOST
            passed = job.sent_at is not None and self.claimed.get(queue, LONG_AGO) - job.sent_at > LOST
            if (job.due_at is not None and job.due_at <= self.now) or (lost and (stayed_empty[queue] or passed)):
                job.sent_at, job.due_at = self.now, None
                found[job_id] = queue
        return found

    def purge(self) -> set[str]:
        old = {
            job_id for job_id, job in self.jobs.items() if job.ended_at is not None and self.now - job.ended_at > AGE
        }
        for job_id in old:
            del self.jobs[job_id]
        return old

    def retire(self, resource: str) -> list[str]:
        users = [job for job in self.jobs.values() if job.live and resource in job.job.uses]
        if any(job.job.type is not JobType.EXAMINE or job.sealed for job in users):
            raise Conflict
        cancelled = [job.job.id for job in users if job.shown is not Status.CANCELLING]
        for job_id in cancelled:
            self.cancel(job_id)
        self.retired[resource] = self.now + RETIRED
        return cancelled

    def expected(self) -> dict[str, Any]:
        """Return every key that there should be but records and events, with its content."""
        held: dict[str, Any] = {}

        def put(key: str, job_id: str) -> None:
            held.setdefault(key, []).append(job_id)

        for job_id, job in sorted(self.jobs.items()):
            if job.status is Status.QUEUED:
                put(keys.LAYOUT["waiting"] + job.caller, job_id)
            put(keys.index(job.job.type, job.shown), job_id)
            for resource in (job.job.model_id, *(one for one in job.job.uses if one.startswith("cor_"))):
                put(keys.index(job.job.type, job.shown, resource), job_id)
            if job.status is Status.RUNNING:
                put(keys.RUNNING, job_id)
            if job.due_at is not None:
                put(keys.OUTBOX, job_id)
            for resource in job.job.uses if job.live else ():
                put(keys.LAYOUT["uses"] + resource, job_id)
            if job.live and job.job.makes:
                made = "model" if job.job.type in MAKES_MODEL else "text"
                key = keys.LAYOUT["making"] + job.job.owner
                held[key] = sorted([*held.get(key, ()), job_id, f"{made}:{job.job.makes_bytes}"])
            if not job.live:
                put(keys.ENDED, job_id)
            if job.rows:
                held[keys.metrics(job_id)] = list(job.rows)
        for queue in Queue:
            if waiting := self.waiting(queue):
                held[keys.queue(queue)] = waiting
        held |= {keys.LAYOUT["retired"] + resource: "1" for resource, until in self.retired.items() if until > self.now}
        return held

    def waiting(self, queue: Queue) -> list[str]:
        """Return the ids of a queue's jobs, the next to be claimed first."""
        queued = [job for job in self.jobs.values() if job.status is Status.QUEUED and job.job.queue is queue]
        return [job.job.id for job in sorted(queued, key=lambda job: (job.turn, job.job.id))]


def weighed(job: NewJob) -> int:
    """Return by how much a job puts off its caller's next one of its priority."""
    return max(1, int(round(1000 * job.cost_seconds) * PRIORITIES[job.params["priority"]]))


def outcome(act: Callable[[], Any]) -> Any:
    """Return what a call returns, or the kind of refusal that it raises."""
    try:
        return act()
    except (Conflict, LeaseLost, NotFound, RecordGone) as exc:
        return type(exc)


#: Which job is meant: mostly one for which the act makes sense; which of them.
JOBS = st.tuples(st.sampled_from([True, True, True, False]), st.integers(0, 3))
#: Who acts: mostly one who holds a job, else one who lost it to another; where there is none, anyone who ever did.
HOLDERS = st.tuples(st.sampled_from([True, True, False]), st.integers(0, 7))
Choice = tuple[bool, int]

#: What the volume may know of a job whose record was live: mostly that it has begun.
BEFORE = (Status.QUEUED, Status.RUNNING, Status.RUNNING, *ENDS)

#: What is asked of a new job.
ASKS = st.fixed_dictionaries(
    {
        "type": st.sampled_from([JobType.TRAIN, JobType.TRAIN, *JobType]),
        "uses": st.lists(st.sampled_from(RESOURCES), unique=True, max_size=2).map(tuple),
        "model_id": st.sampled_from(["mod_a", "mod_b"]),
        "max_attempts": st.integers(1, 2),
        "cost_seconds": st.sampled_from([0.002, 1, 5]),
        "params": st.sampled_from([*PRIORITIES, "normal"]).map(lambda priority: {"priority": priority}),
        "owner": st.sampled_from(["", "ann"]),
        "makes_bytes": st.sampled_from([0, 10**10]),
    }
)

has_jobs = precondition(lambda self: bool(self.asked))
has_holders = precondition(lambda self: bool(self.given))


class History(RuleBasedStateMachine):
    """Jobs come, are worked on by the living and the dead, and end."""

    url: str

    @initialize(asks=st.lists(ASKS, min_size=2, max_size=4), claimed=st.integers(0, 2))
    def begin(self, asks: list[dict[str, Any]], claimed: int) -> None:
        self.client = connect(self.url)
        self.client.flushall()
        self.store = Store(self.client)
        self.model = Model()
        #: Every job that was ever put in.
        self.asked: list[NewJob] = []
        #: Every (job id, token, worker) that was ever claimed, also of those who have long lost their job.
        self.given: list[tuple[str, int, str]] = []
        #: The highest token ever given of each job: what the volume has seen.
        self.floors: dict[str, int] = {}
        #: Each record as it was seen last.
        self.seen: dict[str, dict[str, str]] = {}
        self.emptied = 0
        for place, ask in enumerate(asks):
            self.create(ask, CALLERS[place % 2])
        for _ in range(claimed):
            self.claim((True, 0), "w1", 0)

    def teardown(self) -> None:
        self.client.close()

    def later(self, ms: int = 10) -> None:
        """Let time pass: a little before each step, so that no two fall into one millisecond."""
        self.client.eval(SHIFT, 0, str(ms), json.dumps(dict(keys.LAYOUT)))
        self.model.now += ms

    def same(self, real: Callable[[], Any], modelled: Callable[[], Any]) -> Any:
        """Do a thing to both; return what came of it."""
        self.later()
        found = outcome(real)
        assert found == outcome(modelled)
        return found

    def job(self, choice: Choice, *statuses: Status) -> NewJob:
        """Return the chosen job: the choice's first half asks for one with such a status."""
        fitting = [job.job for job in self.model.jobs.values() if job.status in statuses]
        among = fitting if choice[0] and fitting else self.asked
        return among[-1 - choice[1] % len(among)]

    def holder(self, choice: Choice) -> tuple[str, int, str]:
        """Return who acts, as (job id, token, worker)."""
        holding = [
            (job_id, job.token, job.worker)
            for job_id, job in self.model.jobs.items()
            if job.status is Status.RUNNING and job.worker
        ]
        running = {job_id: token for job_id, token, _ in holding}
        stale = [held for held in self.given if held[1] < running.get(held[0], 0)]
        among = (holding if choice[0] else stale) or self.given
        return among[-1 - choice[1] % len(among)]

    # Who sends jobs

    @precondition(lambda self: sum(job.live for job in self.model.jobs.values()) < 4)
    @rule(ask=ASKS, caller=st.sampled_from(CALLERS))
    def create(self, ask: dict[str, Any], caller: str) -> None:
        job = NewJob(id=f"job_{len(self.asked):026}", metadata={"who": "é"}, **ask)
        refused = self.same(
            lambda: self.store.jobs.create(job, caller=caller) and None, lambda: self.model.create(job, caller)
        )
        if not refused:
            self.asked.append(job)

    @has_jobs
    @rule(choice=JOBS)
    def note_sent(self, choice: Choice) -> None:
        job = self.job(choice, Status.QUEUED)
        self.same(lambda: self.store.jobs.sent(job.id), lambda: self.model.sent(job.id))

    @has_jobs
    @rule(choice=JOBS)
    def cancel(self, choice: Choice) -> None:
        job = self.job(choice, Status.RUNNING)
        self.same(lambda: self.store.jobs.cancel(job.id), lambda: self.model.cancel(job.id))

    @precondition(lambda self: not any(until > self.model.now for until in self.model.retired.values()))
    @rule(resource=st.sampled_from(RESOURCES))
    def retire(self, resource: str) -> None:
        self.same(lambda: sorted(self.store.jobs.retire(resource)), lambda: self.model.retire(resource))

    # Who works

    @has_jobs
    @rule(choice=JOBS, worker=st.sampled_from(WORKERS), above=st.none() | st.integers(0, 5))
    def claim(self, choice: Choice, worker: str, above: int | None) -> None:
        job = self.job(choice, Status.QUEUED)
        # None: the volume has nothing of this job, as with one that writes; its tokens rise by the record alone.
        seen = self.floors.get(job.id, 0)
        min_token = 0 if above is None and job.id in self.seen and int(self.seen[job.id]["token"]) == seen else seen
        min_token += above or 0

        def claim() -> int | None:
            claim = self.store.jobs.claim(job.id, worker=worker, lease_s=LEASE / 1000, min_token=min_token)
            return None if claim is None else claim.token

        token = self.same(claim, lambda: self.model.claim(job.id, worker, min_token))
        if token is not None:
            assert token > seen, "tokens only rise"
            self.floors[job.id] = token
            self.given.append((job.id, token, worker))

    @has_jobs
    @rule(choice=JOBS, worker=st.sampled_from(WORKERS))
    def claim_next(self, choice: Choice, worker: str) -> None:
        message = self.job(choice, Status.QUEUED).id

        def claim() -> tuple[str, int] | None:
            claim = self.store.jobs.claim_next(
                message,
                worker=worker,
                owner_id=worker,
                lease_s=LEASE / 1000,
                min_token=lambda job_id: self.floors.get(job_id, 0),
            )
            return None if claim is None else (claim.job.id, claim.token)

        modelled = self.model.jobs.get(message)
        waiting = self.model.waiting(modelled.job.queue) if modelled else []
        floor = self.floors.get(waiting[0], 0) if waiting else 0
        found = self.same(claim, lambda: self.model.claim_next(message, worker, floor))
        if found is not None:
            job_id, token = found
            assert token > floor, "tokens only rise"
            self.floors[job_id] = token
            self.given.append((job_id, token, worker))

    @has_holders
    @rule(choice=HOLDERS)
    def renew(self, choice: Choice) -> None:
        job_id, token, _ = self.holder(choice)
        self.same(
            lambda: self.store.jobs.renew(job_id, token, lease_s=LEASE / 1000), lambda: self.model.renew(job_id, token)
        )

    @has_holders
    @rule(choice=HOLDERS, step=st.integers(0, 9), saved=st.none() | st.integers(0, 3))
    def record(self, choice: Choice, step: int, saved: int | None) -> None:
        job_id, token, _ = self.holder(choice)
        events = [Event(type=EventType.METRIC, data={"step": step}), Event(type=EventType.LOG, data={"message": "é"})]
        self.same(
            lambda: self.store.jobs.record(
                job_id, token, progress=Progress(step=step), events=events, saved_work=saved
            ),
            lambda: self.model.record(job_id, token, step, saved),
        )

    @has_holders
    @rule(choice=HOLDERS, rows=st.lists(st.integers(0, 9), max_size=3))
    def rewind(self, choice: Choice, rows: list[int]) -> None:
        job_id, token, _ = self.holder(choice)
        lines = [{"step": step} for step in rows]
        self.same(
            lambda: self.store.jobs.rewind(job_id, token, metrics=lines),
            lambda: self.model.rewind(job_id, token, rows),
        )

    @has_holders
    @rule(choice=HOLDERS)
    def seal(self, choice: Choice) -> None:
        job_id, token, _ = self.holder(choice)
        self.same(lambda: self.store.jobs.seal(job_id, token, "ab"), lambda: self.model.seal(job_id, token))

    @has_holders
    @rule(choice=HOLDERS, status=st.sampled_from(ENDS))
    def finish(self, choice: Choice, status: Status) -> None:
        job_id, token, _ = self.holder(choice)
        result = {"text": 'a "b"'} if status is Status.SUCCEEDED else None
        error = JobError(code="x", detail="y") if status is Status.FAILED else None
        self.same(
            lambda: self.store.jobs.finish(job_id, token, status, result=result, error=error),
            lambda: self.model.finish(job_id, token, status),
        )

    @has_holders
    @rule(choice=HOLDERS)
    def release(self, choice: Choice) -> None:
        job_id, token, _ = self.holder(choice)
        self.same(lambda: self.store.jobs.release(job_id, token), lambda: self.model.release(job_id, token))

    @has_holders
    @rule(choice=HOLDERS)
    def lose(self, choice: Choice) -> None:
        job_id, _, worker = self.holder(choice)
        message = (self.seen.get(job_id) or {}).get("message") or job_id
        self.same(lambda: self.store.jobs.lose(message, owner_id=worker), lambda: self.model.lose(job_id, worker))

    # Reapers

    @rule(ticks=st.integers(1, 3))
    def time_passes(self, ticks: int) -> None:
        self.later(ticks * TICK)

    @precondition(lambda self: any(job.status is Status.RUNNING for job in self.model.jobs.values()))
    @rule()
    def reap(self) -> None:
        self.same(
            lambda: {reaped.job_id: reaped.outcome for reaped in self.store.jobs.reap(lease_s=LEASE / 1000)},
            self.model.reap,
        )

    @precondition(lambda self: any(job.status is Status.QUEUED for job in self.model.jobs.values()))
    @rule(train=st.booleans(), generate=st.booleans())
    def send_what_is_due(self, train: bool, generate: bool) -> None:
        stayed_empty = {Queue.TRAIN: train, Queue.GENERATE: generate}

        def due() -> dict[str, Queue]:
            found = self.store.jobs.due(stayed_empty=stayed_empty.__getitem__)
            assert len(found) == len(dict(found)), "each is sent once"
            return dict(found)

        self.same(due, lambda: self.model.due(stayed_empty))

    @precondition(lambda self: any(not job.live for job in self.model.jobs.values()))
    @rule()
    def purge(self) -> None:
        self.same(lambda: set(self.store.jobs.purge(age_s=AGE / 1000)), self.model.purge)

    @precondition(lambda self: self.asked and self.emptied < 2)
    @rule(choice=JOBS, rows=st.lists(st.integers(0, 9), max_size=2), before=st.sampled_from(BEFORE))
    def vanish_and_be_restored(self, choice: Choice, rows: list[int], before: Status) -> None:
        """The server forgets a job; the volume knows whether it had ended, and how."""
        job = self.job(choice, *Status)
        known = self.model.jobs.get(job.id)
        if known is None:
            return
        self.emptied += 1
        self.forget(known)
        # One that the record knew as live may have ended on the volume: its end is written there first.
        status = known.status if not known.live else before
        if status is Status.RUNNING and not known.token:
            status = Status.QUEUED
        token = known.token if status is Status.RUNNING else 0
        lines = [{"step": step} for step in rows]
        for _ in range(2):
            self.same(
                lambda: self.store.jobs.restore(
                    job, status=status, metrics=lines, token=token, lease_s=LEASE / 1000 if token else 0
                ),
                lambda: self.model.restore(job, status, list(rows), token),
            )

    @has_jobs
    @rule(choice=JOBS)
    def put_in_what_is_there(self, choice: Choice) -> None:
        job = self.job(choice, *Status)
        if job.id in self.model.jobs:
            self.same(lambda: self.store.jobs.restore(job), lambda: self.model.restore(job, Status.QUEUED, []))
            self.same(lambda: self.store.jobs.create(job) and None, lambda: self.model.create(job, ""))

    def forget(self, known: Modelled) -> None:
        """Take every trace of a job from the server, as if it had been emptied."""
        job = known.job
        self.client.delete(keys.job(job.id), keys.events(job.id), keys.metrics(job.id), keys.samples(job.id))
        for status in Status:
            self.client.zrem(keys.index(job.type, status), job.id)
            for resource in (job.model_id, *job.uses):
                self.client.zrem(keys.index(job.type, status, resource), job.id)
        for key in (keys.queue(job.queue), keys.RUNNING, keys.OUTBOX, keys.ENDED):
            self.client.zrem(key, job.id)
        self.client.srem(keys.LAYOUT["waiting"] + known.caller, job.id)
        self.client.hdel(keys.LAYOUT["making"] + job.owner, job.id)
        for resource in job.uses:
            self.client.srem(keys.LAYOUT["uses"] + resource, job.id)
        del self.model.jobs[job.id]
        self.seen.pop(job.id, None)

    @rule()
    def read(self) -> None:
        """What is read through the store agrees as well."""
        for status in Status:
            shown = [job.id for job in self.store.jobs.page(statuses=[status], newest_first=False).jobs]
            assert shown == sorted(job_id for job_id, job in self.model.jobs.items() if job.shown is status)
        for queue in Queue:
            for place, job_id in enumerate(self.model.waiting(queue), 1):
                assert self.store.jobs.get(job_id).queue_position == place
        for worker in WORKERS:
            assert {job.id for job in self.store.jobs.running_on(worker)} == {
                job_id
                for job_id, job in self.model.jobs.items()
                if job.status is Status.RUNNING and job.worker == worker
            }

    # What must hold after each step

    @invariant()
    def the_server_holds_what_the_rules_say(self) -> None:
        dump: dict[str, Any] = json.loads(self.client.eval(DUMP, 0))
        for job_id in [job_id for job_id in self.seen if job_id not in self.model.jobs]:
            del self.seen[job_id]
        for job_id, job in self.model.jobs.items():
            flat = dump.pop(keys.job(job_id))
            self.check_record(job, dict(zip(flat[::2], flat[1::2], strict=True)))
            self.check_events(job, dump.pop(keys.events(job_id)))
        # What is counted is tested in test_fleet.py; turns show in the order of the queues.
        kinds = (keys.LAYOUT[kind] + queue for kind in ("claimed", "clock", "turns") for queue in Queue)
        for key in (keys.COUNTERS, keys.FLEET, *kinds):
            dump.pop(key, None)
        for key, held in dump.items():
            if key.startswith(keys.metrics("")):
                dump[key] = [json.loads(line)["step"] for line in held]
            elif isinstance(held, list) and not key.startswith(keys.queue("")):
                dump[key] = sorted(held)
        assert dump == self.model.expected()

    def check_record(self, job: Modelled, record: dict[str, str]) -> None:
        assert Status(record["status"]) is job.status
        assert int(record["token"]) == job.token
        assert (int(record["attempt"]), int(record["losses"])) == (job.attempt, job.lost)
        assert record["cancel"] == ("1" if job.cancel_requested else "0")
        assert bool(record["sealed"]) is job.sealed
        assert (record["worker"] or None) == job.worker
        assert bool(record["finished"]) is not job.live
        if job.live:
            assert bool(record["sent"]) is (job.sent_at is not None)
        assert (json.loads(record["progress"])["step"] if record["progress"] else 0) == job.step
        lasting = {name: value for name, value in record.items() if name not in ("sent", "lease_until")}
        before = self.seen.get(job.job.id, lasting)
        if lasting != before:
            assert Status(before["status"]) not in ENDS, "what has ended stays as it is"
            assert int(lasting["revision"]) > int(before["revision"]), "whoever watches sees each change"
        self.seen[job.job.id] = lasting

    def check_events(self, job: Modelled, entries: list[Any]) -> None:
        events = [dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in entries]
        announced = [json.loads(event["data"])["status"] for event in events if event["type"] == EventType.STATUS]
        assert announced == job.announced
        kinds = [event["type"] for event in events]
        assert kinds.count(EventType.DONE) == (not job.live)
        if not job.live:
            assert kinds[-1] == EventType.DONE
            assert json.loads(events[-1]["data"])["status"] == job.status


def test_every_history_leaves_what_the_rules_say(valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_jobs, "SEND_GRACE_MS", GRACE)
    monkeypatch.setattr(store_jobs, "MESSAGE_LOST_MS", LOST)
    monkeypatch.setattr(store_jobs, "RETIRED_MS", RETIRED)
    monkeypatch.setattr(History, "url", valkey, raising=False)
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=100,
            stateful_step_count=60,
            deadline=None,
            # Shrinking takes minutes here, more than a test is given; the steps that failed are printed as they are.
            phases=[Phase.generate],
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
