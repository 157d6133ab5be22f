"""The types of a job's events, one for each kind: schemas for the OpenAPI document."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field

from shared.jobs.record import Status
from shared.jobs.schemas import Job, JobError, Losses, Progress
from shared.jobs.shapes import Described, Result


class _Event(BaseModel):
    id: str = Field(description="What Last-Event-ID and `after` take.")


class StatusData(BaseModel):
    """A job's new status."""

    status: Status
    attempt: int
    worker: str | None


class StatusEvent(_Event):
    """The job's status has changed."""

    type: Literal["status"]
    data: StatusData


class ProgressData(BaseModel):
    """How far a job is."""

    progress: Progress
    metrics: Losses | None


class ProgressEvent(_Event):
    """The job has progressed."""

    type: Literal["progress"]
    data: ProgressData


class MetricData(BaseModel):
    """The losses after one epoch, mean nats per character."""

    step: int
    epoch: int
    seconds: float
    train_loss: float | None
    validation_loss: float | None
    evaluation_loss: float | None
    evaluation_sum: float | None


class MetricEvent(_Event):
    """Losses were measured."""

    type: Literal["metric"]
    data: MetricData


class SampleData(BaseModel):
    """What the model generated after an epoch."""

    step: int
    epoch: int
    text: str
    prompt: str
    temperature: float


class SampleEvent(_Event):
    """A training has generated a sample."""

    type: Literal["sample"]
    data: SampleData


class TextData(BaseModel):
    """A piece of a variant's text."""

    index: int = Field(description="The variant.")
    offset: int = Field(description="Characters of it that came before.")
    delta: str


class TextEvent(_Event):
    """A generate job has generated a piece of text."""

    type: Literal["text"]
    data: TextData


class ItemsData(BaseModel):
    """Some of the items written."""

    offset: int = Field(description="Index of the first of them.")
    items: list[str]


class ItemsEvent(_Event):
    """A generate job has written items; events have some of the first ones, GET /jobs/{job_id}/items has all."""

    type: Literal["items"]
    data: ItemsData


class LogData(BaseModel):
    """A line for people."""

    message: str


class LogEvent(_Event):
    """The worker has something to say."""

    type: Literal["log"]
    data: LogData


class DoneData(BaseModel):
    """How a job ended."""

    status: Literal["succeeded", "failed", "cancelled"]
    result: Annotated[dict[str, Any] | None, Described(Result | None)]
    error: JobError | None


class DoneEvent(_Event):
    """The job has ended; nothing comes after."""

    type: Literal["done"]
    data: DoneData


class ResetEvent(_Event):
    """Some events are gone: the whole job as it is now. In streams only."""

    type: Literal["reset"]
    data: Job


AnyEvent = Annotated[
    StatusEvent
    | ProgressEvent
    | MetricEvent
    | SampleEvent
    | TextEvent
    | ItemsEvent
    | LogEvent
    | DoneEvent
    | ResetEvent,
    Discriminator("type"),
]
