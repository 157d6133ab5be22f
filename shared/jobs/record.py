"""The job record and its state machine. Knows no Redis: `shared/store` keeps records, and its Lua is handed this table.

queued ── claim ──▶ running ── finish ──▶ succeeded | failed | cancelled
  │  ▲                 │
  │  └─ lost, drained ─┘
  └──── cancel ──────▶ cancelled
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.versions import Version


class JobType(StrEnum):
    """What a job does."""

    TRAIN = "train"
    GENERATE = "generate"
    IMPORT = "import"
    EXTRACT = "extract"
    EXAMINE = "examine"
    CLEAN = "clean"


class Queue(StrEnum):
    """Where a job waits: writing never waits behind training."""

    TRAIN = "train"
    GENERATE = "generate"


class Status(StrEnum):
    """The status of a job. CANCELLING is only shown: it is RUNNING with a request to cancel."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: The only moves there are. CANCELLING has no row, since no record is ever stored with it.
TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.QUEUED, Status.SUCCEEDED, Status.FAILED, Status.CANCELLED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}

TERMINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)

#: Which queue a type of job waits in. Imports and work on corpora are short, and somebody waits for them.
QUEUE_OF: Mapping[JobType, Queue] = {
    JobType.TRAIN: Queue.TRAIN,
    JobType.GENERATE: Queue.GENERATE,
    JobType.IMPORT: Queue.GENERATE,
    JobType.EXTRACT: Queue.GENERATE,
    JobType.EXAMINE: Queue.GENERATE,
    JobType.CLEAN: Queue.GENERATE,
}

#: Of job.json and of the record in Redis.
VERSION = Version(newest=1, known={"type": frozenset(JobType), "status": frozenset(Status)})
#: Of end.json.
END_VERSION = Version(newest=1, known={"status": TERMINAL})

#: Factor of a job's cost in its caller's turns, by its priority (`Priority` in shared/requests/fields.py).
SLOWNESS: Mapping[str, float] = {"low": 4, "normal": 1, "high": 0.25}

#: Jobs that come with an uploaded file, which is deleted when they end.
UPLOADS = frozenset({JobType.IMPORT, JobType.EXTRACT})
#: Jobs whose folders are emptied when they end.
EMPTIED = UPLOADS | {JobType.EXAMINE, JobType.CLEAN}
#: Jobs that nobody submits: they are queued when their result is asked for, and cancelled when what they use is
#: deleted.
AUTOMATIC = frozenset({JobType.EXAMINE})
#: Jobs that make a model, and those that make a model or a text.
MAKES_MODEL = frozenset({JobType.TRAIN, JobType.IMPORT})
MAKES = MAKES_MODEL | {JobType.EXTRACT, JobType.CLEAN}


@dataclass(frozen=True, kw_only=True)
class JobError:
    """Why a job failed: a code for programs, a message for people, and whether sending it again may help."""

    code: str
    detail: str
    retryable: bool = False


@dataclass(frozen=True, kw_only=True)
class End:
    """How a job ended, as the volume keeps it."""

    status: Status
    result: Mapping[str, Any] | None = None
    error: JobError | None = None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job is. `step` counts training and evaluation batches, or characters written."""

    step: int = 0
    total_steps: int | None = None
    epoch: int | None = None
    total_epochs: int | None = None
    #: Share of the work done, 0 to 1.
    fraction: float = 0.0
    chars_per_second: float | None = None
    eta_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The newest losses, mean nats per character."""

    train_loss: float | None = None
    validation_loss: float | None = None
    best_loss: float | None = None
    best_epoch: int | None = None
    #: `Baselines` of shared/jobs/rows.py; None before the first step and where there are none.
    baselines: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class StartingPoint:
    """The weights that a training starts from, and why these."""

    #: None: random weights.
    model_id: str | None = None
    #: The model's name when the job was sent, and the sha256 of its bundle.
    name: str | None = None
    sha256: str | None = None
    #: One sentence.
    reason: str
    #: Where bases were tried on the text: the best one's loss, and that of counts of letter pairs, nats per character.
    loss: float | None = None
    pairs_loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """What is known of a job when it is sent."""

    id: str
    type: JobType
    #: The resolved request, every option concrete.
    params: Mapping[str, Any]
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: The model that this job makes, or writes with; "" if none.
    model_id: str = ""
    #: Of a training; None in jobs of earlier versions.
    starting_point: StartingPoint | None = None
    #: Corpora and models that must not be deleted while this job lives.
    uses: tuple[str, ...] = ()
    parent_id: str | None = None
    #: Signs the messages of the job's webhook; None: the service's secret does. Never shown, so it isn't in `params`.
    webhook_secret: str | None = field(default=None, repr=False)
    #: Of the request that sent it; every line that is logged about the job has it.
    request_id: str | None = None
    #: That request's place in its trace (shared/tracing.py).
    traceparent: str | None = None
    #: Attempts lost in a row, no newer training state saved between them, after which it fails.
    max_attempts: int = 3
    #: About how long it will run on a modest host, seconds. Decides nothing but the order of the queue among callers.
    cost_seconds: float = 1.0
    #: The name of the API key with which it was sent: whose its model or text will be. "" without keys.
    owner: str = ""
    #: About how many bytes that will have.
    makes_bytes: int = 0

    @property
    def makes(self) -> bool:
        """Whether it makes a model or a text."""
        return self.type in MAKES

    @property
    def queue(self) -> Queue:
        """The queue it waits in."""
        return QUEUE_OF[self.type]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job as the store holds it. Times are milliseconds since 1970 on the store's clock."""

    id: str
    type: JobType
    #: As stored: never CANCELLING.
    status: Status
    params: Mapping[str, Any]
    metadata: Mapping[str, str]
    model_id: str
    #: Of a training; None in jobs of earlier versions.
    starting_point: StartingPoint | None = None
    uses: tuple[str, ...]
    parent_id: str | None
    request_id: str | None = None
    traceparent: str | None = None
    #: Whose it is; "" without keys, and of older versions.
    owner: str = ""
    created_ms: int
    started_ms: int | None = None
    #: When the current attempt, or the last one, began.
    claimed_ms: int | None = None
    finished_ms: int | None = None
    #: Claims so far; only shown.
    attempt: int = 0
    #: The fence: the newest claim's token; who names an older one is refused.
    token: int = 0
    #: Attempts lost (worker killed or silent) since the newest training state was saved; drains don't count.
    lost_attempts: int = 0
    max_attempts: int = 3
    lease_until_ms: int = 0
    cancel_requested: bool = False
    #: sha256 of the sealed result: publishing has begun, so it can only succeed.
    sealed: str | None = None
    #: The node that claimed it last.
    worker: str | None = None
    progress: Progress = Progress()
    metrics: Losses = Losses()
    result: Mapping[str, Any] | None = None
    error: JobError | None = None
    #: Changes with every change of the record: what an ETag is made of.
    revision: int = 0
    #: 1 for the next to be claimed of its queue; None when not queued.
    queue_position: int | None = None

    @property
    def shown_status(self) -> Status:
        """The status that the API shows."""
        return Status.CANCELLING if self.status is Status.RUNNING and self.cancel_requested else self.status

    @property
    def stamp(self) -> str:
        """Distinguishes this record from any other that the job may have: a restored one has other times."""
        return "-".join(str(part or "") for part in (self.revision, self.status, self.started_ms, self.finished_ms))

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status in TERMINAL

    @property
    def queue(self) -> Queue:
        """The queue it waits in."""
        return QUEUE_OF[self.type]
