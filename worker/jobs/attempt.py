"""One attempt at a job: everything that is needed to run it, passed to the function for its type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.jobs.record import Job
from shared.settings import Settings
from shared.store import Store
from shared.tracing import NO_SPAN, NO_TRACER, Span, Tracer
from shared.volume import Volume
from shared.volume_guard import VolumeGuard
from worker.jobs.lease import Lease, StopRequest
from worker.jobs.lease_renewer import LeaseRenewer
from worker.jobs.model_cache import ModelCache
from worker.jobs.reporter import Reporter
from worker.jobs.step_log import StepLog


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """What a process that runs jobs needs: built once, passed in."""

    #: The worker's name, as a job's `worker` shows it.
    name: str
    #: Identifies the process: two may have the same name by mistake.
    owner_id: str
    settings: Settings
    store: Store
    volume: Volume
    volume_guard: VolumeGuard
    #: Threads of a training here.
    train_threads: int
    step_log: StepLog
    #: The thread that renews the current job's lease.
    lease_renewer: LeaseRenewer
    #: Keeps the model from one generate job to the next.
    model_cache: ModelCache
    tracer: Tracer = NO_TRACER
    #: Whether this worker is to stop soon.
    draining: Callable[[], bool] = lambda: False


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One claimed job, its lease and its reporter."""

    host: WorkerContext
    job: Job
    token: int
    lease: Lease
    reporter: Reporter
    span: Span = NO_SPAN

    def folder(self) -> Path:
        """Make the folder that only this attempt writes to. Raises LeaseLost."""
        return self.host.volume.jobs.open_attempt(self.job.id, self.token)


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """The job stopped on request."""

    request: StopRequest
    #: The result of a cancelled job.
    result: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class Written:
    """A generate job is complete."""

    result: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A model is built and sealed; it has to be published."""


Outcome = Stopped | Written | Sealed
