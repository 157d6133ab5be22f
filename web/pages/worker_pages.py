"""The page of the workers: which are running, what each does, what waits and for how long, and what was lost lately."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, redirect, render_template
from werkzeug.wrappers import Response

from shared.jobs.record import QUEUE_OF, Job, Queue
from shared.metrics.fleet import slots
from shared.store import FleetFacts, WorkerInfo
from web.api.workers import drained
from web.pages import csrf
from web.services import Services, services

blueprint = Blueprint("workers_page", __name__)

#: What is said of each event; the others (joined, left) would only fill the list.
_EVENTS: Mapping[str, str] = {
    "worker_lost": "fell silent: killed, or cut off",
    "worker_draining": "was requested to drain",
    "worker_resumed": "takes jobs again",
    "job_drained": "released a job",
    "job_lost": "lost a job",
}
#: Most events that are shown.
_EVENTS_SHOWN = 30
_QUEUE_NAMES: Mapping[Queue, str] = {Queue.TRAIN: "trainings", Queue.GENERATE: "texts and imports"}


@dataclass(frozen=True, kw_only=True)
class BusyWorker:
    """One worker and its jobs."""

    info: WorkerInfo
    jobs: Sequence[Job]

    @property
    def busy(self) -> int:
        """How many jobs it runs."""
        return len(self.jobs)


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What waits in a queue."""

    queue: Queue
    name: str
    depth: int
    oldest_s: float
    #: Seconds until all of it has begun, by the mean time of such jobs; None where there are no slots or no times yet.
    clears_in_s: float | None


@dataclass(frozen=True, kw_only=True)
class Happened:
    """Something that happened to a worker or to a job on it."""

    at_ms: int
    worker: str
    said: str
    job_id: str


@blueprint.get("/workers")
def show() -> str:
    """Show the workers seen lately, their jobs, the queues, and what happened in the last day."""
    here = services()
    facts = here.store.fleet.facts()
    return render_template(
        "workers.html",
        workers=[BusyWorker(info=info, jobs=_jobs(here, info)) for info in facts.workers],
        queues=[_waiting(facts, queue) for queue in Queue],
        happened=_happened(here),
    )


def _drain(name: str, *, on: bool) -> Response:
    csrf.form()
    drained(services(), name, on=on)
    return redirect("/workers", 303)


for _verb, _on in (("drain", True), ("undrain", False)):
    blueprint.add_url_rule(f"/workers/<name>/{_verb}", _verb, partial(_drain, on=_on), methods=["POST"])


def _jobs(here: Services, info: WorkerInfo) -> list[Job]:
    """Return the jobs that a worker runs, without those that have expired meanwhile."""
    return list(here.store.jobs.find_all(info.running))


def _waiting(facts: FleetFacts, queue: Queue) -> Waiting:
    runs = [facts.durations("run", job_type) for job_type, its_queue in QUEUE_OF.items() if its_queue is queue]
    count, places = sum(sum(one.counts) for one in runs), sum(slots(info, queue) for info in facts.workers)
    of_queue = facts.queues[queue]
    mean_s = sum(one.sum_s for one in runs) / count if count else None
    return Waiting(
        queue=queue,
        name=_QUEUE_NAMES[queue],
        depth=of_queue.depth,
        oldest_s=of_queue.oldest_s,
        clears_in_s=mean_s * of_queue.depth / places if mean_s is not None and places else None,
    )


def _happened(here: Services) -> list[Happened]:
    events = [event for event in here.store.fleet.events() if event.what in _EVENTS][:_EVENTS_SHOWN]
    return [
        Happened(at_ms=event.at_ms, worker=event.worker, said=_EVENTS[event.what], job_id=event.job_id)
        for event in events
    ]
