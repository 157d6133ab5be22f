"""The page of the workers: which are running, what each does, how many jobs wait."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template

from shared.jobs.record import Job
from shared.store import WorkerInfo
from web.services import Services, services

blueprint = Blueprint("workers_page", __name__)


@dataclass(frozen=True, kw_only=True)
class BusyWorker:
    """One worker and its jobs."""

    info: WorkerInfo
    jobs: Sequence[Job]

    @property
    def busy(self) -> int:
        """How many jobs it runs."""
        return len(self.jobs)


@blueprint.get("/workers")
def show() -> str:
    """Show the workers seen lately, their jobs, and the depth of the queues."""
    here = services()
    workers = [BusyWorker(info=info, jobs=_jobs(here, info)) for info in here.store.workers.seen()]
    return render_template("workers.html", workers=workers, depths=here.store.jobs.queue_depths())


def _jobs(here: Services, info: WorkerInfo) -> list[Job]:
    """Return the jobs that a worker runs, without those that have expired meanwhile."""
    found = [here.store.jobs.find(job_id) for job_id in info.running]
    return [job for job in found if job is not None]
