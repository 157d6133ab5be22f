"""The whole fleet's metrics, from the counts in Redis. Every web process exports the same ones."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from shared.broker import task_name
from shared.errors import StoreUnavailable
from shared.jobs.record import QUEUE_OF, TERMINAL, JobType, Queue
from shared.metrics.catalogue import Samples
from shared.store import FleetFacts, Store, WorkerInfo
from shared.store.scripts import BOUNDS_S

_OUTCOMES = ("succeeded", "failed", "cancelled", "drained", "lost")
_OPERATIONS = ("renew", "record", "rewind", "seal", "finish", "release")


class FleetCollector(Collector):
    """Asks Redis at each scrape; exports nothing while it is away."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Return the metrics."""
        samples = Samples()
        try:
            facts = self._store.fleet.facts()
        except StoreUnavailable:
            return
        _add_gauges(samples, facts)
        for job_type in JobType:
            _add_counters(samples, facts, job_type)
        for operation in _OPERATIONS:
            samples.add("charloom_stale_writes_refused_total", facts.count("stale", operation), operation)
        for outcome in ("delivered", "put_off", "dropped"):
            samples.add("charloom_webhook_tries_total", facts.count("hooks", outcome), outcome)
        _add_as_celery_exporter(samples, facts)
        yield from samples.families()


def slots(info: WorkerInfo, queue: Queue) -> int:
    """Return how many jobs of a queue a worker runs at once at most."""
    return 0 if info.draining else {Queue.TRAIN: info.train_slots, Queue.GENERATE: info.generate_slots}[queue]


def _add_gauges(samples: Samples, facts: FleetFacts) -> None:
    for (job_type, status), number in facts.jobs.items():
        samples.add("charloom_jobs", number, job_type, status)
    for queue, of_queue in facts.queues.items():
        samples.add("charloom_queue_jobs", of_queue.depth, queue)
        samples.add("charloom_queue_oldest_seconds", of_queue.oldest_s, queue)
        samples.add("charloom_slots", sum(slots(info, queue) for info in facts.workers), queue)
    samples.add("charloom_webhooks_waiting", facts.webhooks_waiting)
    samples.add("charloom_workers", len(facts.workers))
    samples.add("charloom_workers_lost", len(facts.lost_workers))


def _add_counters(samples: Samples, facts: FleetFacts, job_type: JobType) -> None:
    samples.add("charloom_jobs_created_total", facts.count("created", job_type), job_type)
    samples.add("charloom_attempts_total", facts.count("attempts", job_type), job_type)
    samples.add("charloom_leases_lost_total", facts.count("leases_lost", job_type), job_type)
    samples.add("charloom_characters_total", facts.count("characters", job_type), job_type)
    for status in sorted(TERMINAL):
        samples.add("charloom_jobs_ended_total", facts.count("ended", job_type, status), job_type, status)
    for outcome in _OUTCOMES:
        ended = facts.count("attempts_ended", job_type, outcome)
        samples.add("charloom_attempts_ended_total", ended, job_type, outcome)
    for outcome in ("requeued", "sealed"):
        samples.add("charloom_rescues_total", facts.count("rescues", job_type, outcome), job_type, outcome)
    for name, what in {"charloom_job_wait_seconds": "wait", "charloom_attempt_run_seconds": "run"}.items():
        found = facts.durations(what, job_type)
        samples.add_histogram(name, BOUNDS_S, found.counts, found.sum_s, job_type)


def _add_as_celery_exporter(samples: Samples, facts: FleetFacts) -> None:
    """Add what celery-exporter (0.12) exports, under its names: https://github.com/danihodovic/celery-exporter."""
    for queue, of_queue in facts.queues.items():
        takers = [number for info in facts.workers if (number := slots(info, queue))]
        samples.add("celery_queue_length", of_queue.depth, queue)
        samples.add("celery_active_worker_count", len(takers), queue)
        samples.add("celery_active_consumer_count", len(takers), queue)
        samples.add("celery_active_process_count", sum(takers), queue)
        _add_tasks(samples, facts, queue)
    for info in facts.workers:
        samples.add("celery_worker_up", 1, info.name)
        samples.add("celery_worker_tasks_active", len(info.running), info.name)
    for name in facts.lost_workers:
        samples.add("celery_worker_up", 0, name)
        samples.add("celery_worker_tasks_active", 0, name)


def _add_tasks(samples: Samples, facts: FleetFacts, queue: Queue) -> None:
    """Add the counts of a queue's task, which represents all types of jobs in it."""
    types = [job_type for job_type, its_queue in QUEUE_OF.items() if its_queue is queue]

    def ended(*outcomes: str) -> int:
        return sum(facts.count("attempts_ended", job_type, outcome) for job_type in types for outcome in outcomes)

    attempts = sum(facts.count("attempts", job_type) for job_type in types)
    again = ended("drained") + sum(facts.count("rescues", job_type, "requeued") for job_type in types)
    labels = (task_name(queue), queue)
    for event, number in {
        "sent": sum(facts.count("created", job_type) for job_type in types) + again,
        "received": attempts,
        "started": attempts,
        "succeeded": ended("succeeded"),
        "rejected": 0,
        "revoked": ended("cancelled"),
        "retried": ended("drained", "lost"),
    }.items():
        samples.add(f"celery_task_{event}_total", number, *labels)
    samples.add("celery_task_failed_total", ended("failed"), *labels, "")
    for name, what in {"celery_task_runtime": "run", "celery_task_queue_wait_time": "wait"}.items():
        found = [facts.durations(what, job_type) for job_type in types]
        counts = [sum(column) for column in zip(*(one.counts for one in found), strict=True)]
        samples.add_histogram(name, BOUNDS_S, counts, sum(one.sum_s for one in found), *labels)
