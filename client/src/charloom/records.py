"""What the server answers, as frozen records.

Fields that this version doesn't know are kept (`record.model_extra`) and never break anything; words of a kind that may
grow, a status for instance, are plain strings.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from charloom.errors import CharloomError

#: Statuses after which nothing more happens to a job.
ENDED = frozenset({"succeeded", "failed", "cancelled"})


def _spell(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


#: A moment in UTC; spelled in JSON as the server does.
Time = Annotated[datetime, PlainSerializer(_spell, return_type=str, when_used="json")]


class Record(BaseModel):
    """Something that the server tells."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class Corpus(Record):
    """A text to learn from."""

    id: str
    object: str = "corpus"
    name: str
    bytes: int
    chars: int
    lines: int
    vocab_size: int
    vocab_size_lowercase: int
    encoding: str
    #: Of the bytes that were sent.
    sha256: str
    preview: str
    created_at: Time


class Progress(Record):
    """How far a job is."""

    step: int = 0
    total_steps: int | None = None
    epoch: int | None = None
    total_epochs: int | None = None
    #: Share of the work done, 0 to 1.
    fraction: float = 0.0
    chars_per_second: float | None = None
    eta_seconds: float | None = None


class Losses(Record):
    """The newest losses of a training, mean nats per character."""

    train_loss: float | None = None
    validation_loss: float | None = None
    best_loss: float | None = None
    best_epoch: int | None = None


class JobError(Record):
    """Why a job failed."""

    code: str
    detail: str
    retryable: bool = False


class Output(Record):
    """One text that a model wrote."""

    index: int
    text: str
    finish_reason: str | None = None
    #: How much of it stands in the corpus word for word; None where the corpus is gone.
    copied: dict[str, Any] | None = None


class Job(Record):
    """A training, a writing or an import."""

    id: str
    object: str = "job"
    type: str
    status: str
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None
    #: 1 for the next of its queue; None when not queued.
    queue_position: int | None = None
    attempt: int = 0
    worker: str | None = None
    parent_id: str | None = None
    progress: Progress = Progress()
    metrics: Losses = Losses()
    #: The request, every option concrete.
    params: dict[str, Any] = {}
    result: dict[str, Any] | None = None
    error: JobError | None = None
    metadata: dict[str, str] = {}
    links: dict[str, str | None] = {}

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status in ENDED

    @property
    def model_id(self) -> str | None:
        """The model that it made, or that writes; None as long as there is none."""
        made = (self.result or {}).get("model_id") or self.params.get("model_id")
        return None if made is None else str(made)

    @property
    def outputs(self) -> Sequence[Output]:
        """What was written; empty before the end, and of other jobs."""
        return [Output.model_validate(output) for output in (self.result or {}).get("outputs", [])]

    def check(self) -> "Job":
        """Return this job. Raises JobFailed where it ended otherwise than well."""
        if self.ended and self.status != "succeeded":
            raise JobFailed(self)
        return self


class JobFailed(CharloomError):
    """A job ended otherwise than well."""

    def __init__(self, job: Job) -> None:
        why = job.error.detail if job.error else f"it is {job.status}"
        super().__init__(f"{job.type} job {job.id}: {why}")
        self.job = job


class Metric(Record):
    """The losses after one epoch, mean nats per character."""

    step: int
    epoch: int | None = None
    seconds: float | None = None
    train_loss: float | None = None
    validation_loss: float | None = None
    evaluation_loss: float | None = None
    #: classic: the sum that the seed document prints.
    evaluation_sum: float | None = None


class ModelLosses(Record):
    """The losses of what a model keeps, mean nats per character."""

    train: float | None = None
    validation: float | None = None
    best_epoch: int | None = None


class Model(Record):
    """A trained or imported model."""

    id: str
    object: str = "model"
    name: str
    recipe: str
    job_id: str
    parent_model_id: str | None = None
    corpus_id: str | None = None
    params: dict[str, Any] = {}
    vocab_size: int
    #: Its characters; a character's place is its index.
    vocabulary: str
    parameters: int
    losses: ModelLosses = ModelLosses()
    #: What can be downloaded.
    formats: list[str] = []
    bytes: int
    created_at: Time
    metadata: dict[str, str] = {}


class Worker(Record):
    """A worker seen lately."""

    name: str
    host: str
    cores: int
    threads: int
    bfloat16: bool = False
    versions: dict[str, str] = {}
    #: Ids of the jobs it runs.
    running: list[str] = []
    seen_at: Time


class Event(Record):
    """Something that happened to a job."""

    object: str = "event"
    #: What the stream and `after` go on from; "" where it has none (`reset`).
    id: str = ""
    #: status, progress, metric, sample, text, log, reset (the whole job: some events are gone), done.
    type: str
    data: dict[str, Any]


class Estimate(Record):
    """What a training would take on the workers now seen."""

    parameters: int
    steps: int
    seconds: float | None = None
    memory_bytes: int


class Readiness(Record):
    """Whether jobs can be done."""

    status: str
    #: Workers seen lately.
    workers: int = 0
    #: What is missing; "" when ready.
    detail: str = ""

    @property
    def ready(self) -> bool:
        """Whether everything that a job needs is there."""
        return self.status == "ready"


class Listing(Record):
    """A page of a list as it comes; the client turns pages into iterators."""

    data: list[dict[str, Any]] = Field(default_factory=list)
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None
