"""Jobs in the server's responses, as frozen records: what they do, what they have measured, and their results."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

from pydantic import ValidationError

from charloom.errors import CharloomError
from charloom.record import Record, Time
from charloom.values import FinishReason, ItemsFinishReason, JobStatus, JobType, Open, StopReason

#: Statuses after which nothing more happens to a job.
ENDED: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})


class Progress(Record):
    """How far a job has come."""

    step: int = 0
    total_steps: int | None = None
    epoch: int | None = None
    total_epochs: int | None = None
    #: Share of the work done, 0 to 1.
    fraction: float = 0.0
    chars_per_second: float | None = None
    eta_seconds: float | None = None


class NGram(Record):
    """The loss of an n-gram model: `order` - 1 characters predict the next one."""

    order: int
    loss: float


class Baselines(Record):
    """Losses on the validation part that need no network, mean nats per character."""

    #: By the characters' frequencies in the training part.
    unigram: float
    #: By an interpolated Kneser-Ney model of the training part.
    ngram: NGram
    #: What the validation part adds to the size of the training part under xz.
    xz: float


class Losses(Record):
    """The newest losses of a training, mean nats per character."""

    train_loss: float | None = None
    validation_loss: float | None = None
    best_loss: float | None = None
    best_epoch: int | None = None
    #: None before the first step and without a validation part.
    baselines: Baselines | None = None


class JobError(Record):
    """Why a job failed."""

    code: str
    detail: str
    #: Whether sending the job again may help.
    retryable: bool = False


class Copied(Record):
    """How much of a generated text occurs in the corpus."""

    #: Characters of the longest run that occurs there.
    longest: int
    #: Share of the characters that belong to long runs, 0 to 1, and where these begin and end.
    share: float
    spans: Sequence[tuple[int, int]] = ()


class Output(Record):
    """One generated text."""

    index: int
    text: str
    finish_reason: Annotated[FinishReason, Open()] | None = None
    #: How often a run of one character was cut by `max_run` or its default.
    runs_cut: int = 0
    #: None if the corpus is deleted or couldn't be searched.
    copied: Copied | None = None


class StartingPoint(Record):
    """The weights that a training starts from, and why these."""

    #: The model; None: random weights.
    model_id: str | None = None
    #: The model's name when the job was sent, and the SHA-256 of its bundle.
    name: str | None = None
    sha256: str | None = None
    reason: str = ""
    #: Where bases were tried on a sample of the text: the best one's loss, and that of counts of letter pairs.
    loss: float | None = None
    pairs_loss: float | None = None


class Item(Record):
    """One item of a list that was written."""

    object: str = "item"
    #: Its place in the list, from 0.
    index: int
    text: str
    #: Natural logarithm of the probability that the model writes it.
    logprob: float
    #: Whether the training text has it; None if that text is gone.
    known: bool | None = None


class ItemsResult(Record):
    """How a list was written."""

    #: Items of the list.
    written: int
    #: Items that were begun, and those of them that repeated an earlier one, were too short, or had no end.
    tries: int
    doubled: int
    short: int
    cut: int
    #: Different items that the training text has; None if that text is gone.
    known: int | None = None
    separator: str
    finish_reason: Annotated[ItemsFinishReason, Open()]
    #: Why it ended, in words.
    detail: str = ""


class Outcome(Record):
    """The status of a job and, once it has ended, its result or error."""

    status: Annotated[JobStatus, Open()]
    result: dict[str, Any] | None = None
    error: JobError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to the job."""
        return self.status in ENDED

    @property
    def outputs(self) -> Sequence[Output]:
        """The generated texts; empty before the end, and for other jobs."""
        outputs = (self.result or {}).get("outputs")
        found: list[Output] = []
        for output in outputs if isinstance(outputs, list) else ():
            with suppress(ValidationError):
                found.append(Output.model_validate(output))
        return found

    @property
    def items(self) -> ItemsResult | None:
        """How the list was written; None before the end, and unless `items` were requested. See `jobs.items`."""
        with suppress(ValidationError):
            return ItemsResult.model_validate((self.result or {}).get("items"))
        return None

    @property
    def stop_reason(self) -> StopReason | None:
        """Why a training ended; None before the end, and for other jobs."""
        return (self.result or {}).get("stop_reason")


class Job(Outcome):
    """A training, a generation, an import or an extraction."""

    id: str
    object: str = "job"
    type: Annotated[JobType, Open()]
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None
    #: 1 for the next in its queue; None if not queued.
    queue_position: int | None = None
    attempt: int = 0
    worker: str | None = None
    parent_id: str | None = None
    #: Of the request that submitted it: the logs of the service have it.
    request_id: str | None = None
    progress: Progress = Progress()
    metrics: Losses = Losses()
    #: The request, with the value of every option.
    params: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    #: Of a training.
    starting_point: StartingPoint | None = None
    links: dict[str, str | None] = {}

    @property
    def model_id(self) -> str | None:
        """The model that it made, or that generates; None as long as there is none."""
        found = (self.result or {}).get("model_id") or self.params.get("model_id")
        return None if found is None else str(found)

    @property
    def corpus_id(self) -> str | None:
        """The corpus that it made; None as long as there is none."""
        found = (self.result or {}).get("corpus_id")
        return None if found is None else str(found)

    def check(self) -> "SucceededJob":
        """Return this job. Raises JobFailed if it hasn't succeeded."""
        if self.status != "succeeded":
            raise JobFailed(self)
        return SucceededJob.model_construct(_fields_set=self.model_fields_set, **dict(self))


class SucceededJob(Job):
    """A job that has succeeded: a training or a generation has a model, a generation has outputs."""

    @property
    def model_id(self) -> str:
        """The model that it made, or that generated. Raises ValueError for a job about a text, which has none."""
        found = super().model_id
        if found is None:
            raise ValueError(
                f"a job of type {self.type} has no model; corpus_id is the text that it made, if it made one"
            )
        return found


class JobFailed(CharloomError):
    """A job hasn't succeeded."""

    def __init__(self, job: Job) -> None:
        reason = job.error.detail if job.error else f"it is {job.status}"
        super().__init__(f"{job.type} job {job.id}: {reason}")
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
