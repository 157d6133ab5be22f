"""The fleet in figures: what is counted, what waits and since when, and what happened to workers lately.

All figures come from counts that the scripts keep, so they cost the same whether Redis has ten jobs or a million.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.jobs.record import QUEUE_OF, JobType, Queue, Status
from shared.store import keys
from shared.store.connection import Client, translated
from shared.store.scripts import BOUNDS_S
from shared.store.workers import WorkerBoard, WorkerInfo

#: Seconds for which a worker that was lost is still reported, as one that is down.
DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class QueueFacts:
    """A queue: how many jobs wait, and how long the oldest one has."""

    depth: int
    oldest_s: float


@dataclass(frozen=True, kw_only=True)
class Durations:
    """Durations that were counted: how many fell into each bucket (the last one has no upper bound), and their sum."""

    counts: Sequence[int]
    sum_s: float

    @property
    def mean_s(self) -> float | None:
        """The mean; None if there is none."""
        return self.sum_s / sum(self.counts) if any(self.counts) else None


@dataclass(frozen=True, kw_only=True)
class FleetEvent:
    """Something that happened to a worker, or to a job on it."""

    at_ms: int
    #: worker_joined, worker_left, worker_lost, worker_draining, worker_resumed, job_drained or job_lost.
    what: str
    worker: str
    job_id: str


@dataclass(frozen=True, kw_only=True)
class FleetFacts:
    """The fleet at one moment."""

    jobs: Mapping[tuple[JobType, Status], int]
    queues: Mapping[Queue, QueueFacts]
    webhooks_waiting: int
    workers: Sequence[WorkerInfo]
    #: Names of the workers that were lost within a day, and haven't come back.
    lost_workers: Sequence[str]
    #: What has happened since the server was emptied, by kind, such as "ended:train:failed".
    counters: Mapping[str, int]

    def count(self, *kind: str) -> int:
        """Return how often something has happened."""
        return self.counters.get(":".join(kind), 0)

    def durations(self, what: str, job_type: JobType) -> Durations:
        """Return the durations of a type's jobs: "wait" in the queue, or "run" of attempts."""
        counts = [self.count(what, job_type, str(number)) for number in range(1, len(BOUNDS_S) + 2)]
        return Durations(counts=counts, sum_s=self.count(what, job_type, "ms") / 1000)


class Fleet:
    """Reads facts about the whole fleet. Any method raises StoreUnavailable."""

    def __init__(self, client: Client, workers: WorkerBoard) -> None:
        self._client = client
        self._workers = workers

    def facts(self) -> FleetFacts:
        """Return the fleet's figures."""
        kinds = [(job_type, status) for job_type in JobType for status in Status]
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.hgetall(keys.COUNTERS)
        pipeline.zcard(keys.HOOKS)
        pipeline.zrange(keys.WORKERS, 0, -1)
        for queue in Queue:
            pipeline.zcard(keys.queue(queue))
        for job_type in JobType:
            pipeline.zrange(keys.index(job_type, Status.QUEUED), 0, 0)
        for job_type, status in kinds:
            pipeline.zcard(keys.index(job_type, status))
        with translated():
            (seconds, micros), counters, hooks, names, *rest = pipeline.execute()
        depths, rest = rest[: len(Queue)], rest[len(Queue) :]
        oldest, of_jobs = rest[: len(JobType)], rest[len(JobType) :]
        waits = self._waits(dict(zip(JobType, oldest, strict=True)), now_ms=1000 * seconds + micros / 1000)
        workers = self._workers.seen()
        return FleetFacts(
            jobs=dict(zip(kinds, of_jobs, strict=True)),
            queues={
                queue: QueueFacts(depth=depth, oldest_s=waits.get(queue, 0.0))
                for queue, depth in zip(Queue, depths, strict=True)
            },
            webhooks_waiting=hooks,
            workers=workers,
            lost_workers=self._lost(set(names), {info.name for info in workers}),
            counters={name: int(value) for name, value in counters.items()},
        )

    def events(self, *, within_s: float = DAY_S) -> Sequence[FleetEvent]:
        """Return what happened lately, newest first."""
        with translated():
            seconds, _ = self._client.time()
            entries: Any = self._client.xrevrange(keys.FLEET, min=str(round((seconds - within_s) * 1000)))
        return [
            FleetEvent(at_ms=int(entry.partition("-")[0]), what=row["what"], worker=row["worker"], job_id=row["job"])
            for entry, row in entries or ()
        ]

    def _waits(self, oldest: Mapping[JobType, Sequence[str]], *, now_ms: float) -> dict[Queue, float]:
        """Return how long the oldest waiting job of each queue has waited, seconds; oldest: its id by type, if any."""
        found = [(QUEUE_OF[job_type], ids[0]) for job_type, ids in oldest.items() if ids]
        pipeline = self._client.pipeline(transaction=False)
        for _, job_id in found:
            pipeline.hget(keys.job(job_id), "queued")
        with translated():
            since = pipeline.execute() if found else []
        waits: dict[Queue, float] = {}
        for (queue, _), queued in zip(found, since, strict=True):
            if queued:
                waits[queue] = max(waits.get(queue, 0.0), (now_ms - int(queued)) / 1000)
        return waits

    def _lost(self, listed: set[str], seen: set[str]) -> list[str]:
        """Return the workers that were lost: noticed by another one, or still listed without a report."""
        last: dict[str, str] = {}
        for event in self.events():
            if event.what.startswith("worker_"):
                last.setdefault(event.worker, event.what)
        noticed = {name for name, what in last.items() if what == "worker_lost"}
        return sorted((noticed | listed) - seen)
