"""The one table of all metrics: names, types, labels and help. docs/metrics.md is made from it.

Every label has few values: types, statuses, routes and workers, never ids, addresses, or what a client sent.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily


class Source(StrEnum):
    """Where a metric is exported."""

    #: By each web process: the whole fleet's, from Redis, the same at each.
    FLEET = "fleet"
    #: By each web process: its own.
    WEB = "web"
    #: By each worker: its own.
    WORKER = "worker"
    #: By each web process and each worker: its own.
    PROCESS = "process"


class Kind(StrEnum):
    """A metric's type. The name of a counter ends in _total."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One metric."""

    name: str
    kind: Kind
    source: Source
    labels: tuple[str, ...]
    help: str


def _entries(source: Source, *rows: tuple[str, Kind, str, str]) -> list[Entry]:
    return [
        Entry(name=name, kind=kind, source=source, labels=tuple(labels.split()), help=words)
        for name, kind, labels, words in rows
    ]


_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

CATALOGUE: Sequence[Entry] = [
    *_entries(
        Source.PROCESS,
        ("charloom_build_info", _GAUGE, "version python", "Always 1; its labels are the versions of the process."),
        ("charloom_redis_up", _GAUGE, "", "1 if Redis replies and takes writes, else 0."),
        ("charloom_redis_round_trip_seconds", _GAUGE, "", "Time of one write to Redis and its reply."),
        ("charloom_volume_up", _GAUGE, "", "1 if the last probe of the volume succeeded, else 0."),
        ("charloom_volume_probe_seconds", _GAUGE, "", "Time to write, sync and delete a small file on the volume."),
        ("charloom_volume_probe_age_seconds", _GAUGE, "", "Time since a probe last ended; grows if the volume hangs."),
        ("charloom_volume_free_bytes", _GAUGE, "", "Free space of the volume."),
        ("charloom_volume_size_bytes", _GAUGE, "", "Size of the volume."),
    ),
    *_entries(
        Source.FLEET,
        ("charloom_jobs", _GAUGE, "type status", "Jobs whose records are kept, by type and status."),
        ("charloom_queue_jobs", _GAUGE, "queue", "Jobs that wait in a queue."),
        ("charloom_queue_oldest_seconds", _GAUGE, "queue", "Time that the oldest job of a queue has waited; 0: none."),
        ("charloom_webhooks_waiting", _GAUGE, "", "Webhook messages that are not delivered yet."),
        ("charloom_workers", _GAUGE, "", "Workers seen within 15 seconds."),
        ("charloom_workers_lost", _GAUGE, "", "Workers that fell silent within a day and haven't come back."),
        (
            "charloom_slots",
            _GAUGE,
            "queue",
            "Jobs that the workers seen can run at once; those that drain don't count.",
        ),
        ("charloom_jobs_created_total", _COUNTER, "type", "Jobs submitted."),
        ("charloom_jobs_ended_total", _COUNTER, "type status", "Jobs ended, by how they ended."),
        ("charloom_attempts_total", _COUNTER, "type", "Attempts begun: claims of a job by a worker."),
        (
            "charloom_attempts_ended_total",
            _COUNTER,
            "type outcome",
            "Attempts ended: succeeded, failed, cancelled, drained or lost.",
        ),
        ("charloom_leases_lost_total", _COUNTER, "type", "Leases that expired: the worker was killed or fell silent."),
        (
            "charloom_rescues_total",
            _COUNTER,
            "type outcome",
            "Lost jobs that were saved: requeued, or sealed and published by another worker.",
        ),
        (
            "charloom_stale_writes_refused_total",
            _COUNTER,
            "operation",
            "Writes refused because the job belongs to another attempt.",
        ),
        ("charloom_characters_total", _COUNTER, "type", "Characters trained on or written."),
        ("charloom_webhook_tries_total", _COUNTER, "outcome", "Tries to deliver a webhook message."),
        ("charloom_job_wait_seconds", _HISTOGRAM, "type", "Time from a job's entry into its queue to its claim."),
        ("charloom_attempt_run_seconds", _HISTOGRAM, "type", "Time from a claim to the end of the attempt."),
        ("celery_queue_length", _GAUGE, "queue_name", "As celery-exporter: jobs that wait in a queue."),
        ("celery_worker_up", _GAUGE, "hostname", "As celery-exporter: 1 if seen; 0 for a day if it fell silent."),
        ("celery_worker_tasks_active", _GAUGE, "hostname", "As celery-exporter: jobs that a worker runs."),
        ("celery_active_worker_count", _GAUGE, "queue_name", "As celery-exporter: workers that take from a queue."),
        ("celery_active_consumer_count", _GAUGE, "queue_name", "As celery-exporter: the same number."),
        ("celery_active_process_count", _GAUGE, "queue_name", "As celery-exporter: slots of those workers."),
        *(
            (f"celery_task_{event}_total", _COUNTER, "name queue_name", f"As celery-exporter: {words}.")
            for event, words in {
                "sent": "jobs submitted or queued again",
                "received": "attempts begun",
                "started": "attempts begun",
                "succeeded": "attempts that succeeded",
                "rejected": "always 0",
                "revoked": "attempts that were cancelled",
                "retried": "attempts that were lost or drained",
            }.items()
        ),
        (
            "celery_task_failed_total",
            _COUNTER,
            "name queue_name exception",
            "As celery-exporter: attempts that failed; exception is empty.",
        ),
        ("celery_task_runtime", _HISTOGRAM, "name queue_name", "As celery-exporter: seconds that attempts took."),
        ("celery_task_queue_wait_time", _HISTOGRAM, "name queue_name", "As celery-exporter: seconds that jobs waited."),
    ),
    *_entries(
        Source.WEB,
        ("charloom_http_request_seconds", _HISTOGRAM, "method route", "Time until the response began."),
        ("charloom_http_requests_total", _COUNTER, "method route status", "Requests, by class of status (2xx)."),
        ("charloom_streams_open", _GAUGE, "", "Event streams and long polls that are open."),
        ("charloom_streams_limit", _GAUGE, "", "Event streams and long polls that may be open at once."),
        (
            "charloom_stored_bytes",
            _GAUGE,
            "key",
            'Texts and models by API key ("": nobody\'s); with quotas only.',
        ),
        ("charloom_stored_texts", _GAUGE, "key", "Texts by API key."),
        ("charloom_stored_models", _GAUGE, "key", "Models by API key."),
    ),
    *_entries(
        Source.WORKER,
        ("charloom_worker_slots", _GAUGE, "queue", "Jobs that this worker runs at once at most."),
        ("charloom_worker_jobs_running", _GAUGE, "", "Jobs that this worker runs."),
        ("charloom_worker_draining", _GAUGE, "", "1 while this worker is requested to drain, else 0."),
        ("charloom_worker_characters_per_second", _GAUGE, "", "Characters that its jobs train on or write."),
        ("charloom_worker_memory_bytes", _GAUGE, "", "Memory that one job may use here."),
    ),
]
_BY_NAME = {entry.name: entry for entry in CATALOGUE}
_FAMILIES = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.GAUGE: GaugeMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}


def entry(name: str) -> Entry:
    """Return a metric's entry. Raises KeyError: a metric is added to the table first."""
    return _BY_NAME[name]


class Samples:
    """Figures of one scrape. A name that isn't in the table raises KeyError."""

    def __init__(self) -> None:
        self._families: dict[str, Any] = {}  # their common base has no `add_metric`

    def add(self, name: str, value: float, *labels: str) -> None:
        """Add a figure, with the values of its labels in the table's order."""
        self._family(name).add_metric(labels, value)

    def add_histogram(
        self, name: str, bounds: Iterable[float], counts: Sequence[int], total: float, *labels: str
    ) -> None:
        """Add a histogram: counts by bucket, one more than there are upper bounds, and the sum of all values."""
        names = [*(repr(bound) for bound in bounds), "+Inf"]
        self._family(name).add_metric(labels, list(zip(names, accumulate(counts), strict=True)), total)

    def families(self) -> Iterator[Metric]:
        """Return what was added, as prometheus-client takes it."""
        yield from self._families.values()

    def _family(self, name: str) -> Any:
        if name not in self._families:
            known = entry(name)
            self._families[name] = _FAMILIES[known.kind](name, known.help, labels=known.labels)
        return self._families[name]
