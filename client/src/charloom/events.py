"""What happens to a job, as typed events. By `event.type` a type checker knows which data an event has."""

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from charloom.job_records import Job, Losses, Metric, Outcome, Progress
from charloom.record import Record
from charloom.values import JobStatus, Open


class StatusData(Record):
    """A change of status."""

    status: Annotated[JobStatus, Open()]
    attempt: int = 0
    worker: str | None = None


class ProgressData(Record):
    """How far a job has come, and the newest losses of a training."""

    progress: Progress
    metrics: Losses | None = None


class SampleData(Record):
    """A text generated after an epoch."""

    step: int
    epoch: int | None = None
    text: str
    prompt: str = ""
    temperature: float | None = None


class TextData(Record):
    """Characters of a text: `delta` begins at character `offset` of output `index`."""

    index: int
    offset: int
    delta: str


class ItemsData(Record):
    """Some of the items of a list: the first of them is item `offset`."""

    offset: int
    items: list[str]


class LogData(Record):
    """A message for people."""

    message: str = ""


class Event(Record):
    """Base of all events."""

    object: str = "event"
    #: What `events(after=…)` takes; "" if it has none (`reset`).
    id: str = ""
    type: str
    data: Any


class StatusEvent(Event):
    """The job has another status."""

    type: Literal["status"] = "status"
    data: StatusData


class ProgressEvent(Event):
    """The job has come further."""

    type: Literal["progress"] = "progress"
    data: ProgressData


class MetricEvent(Event):
    """An epoch has ended."""

    type: Literal["metric"] = "metric"
    data: Metric


class SampleEvent(Event):
    """A model in training has generated a sample."""

    type: Literal["sample"] = "sample"
    data: SampleData


class TextEvent(Event):
    """A model has generated more text."""

    type: Literal["text"] = "text"
    data: TextData


class ItemsEvent(Event):
    """A model has written items. Events have some of the first ones; `jobs.items` has all."""

    type: Literal["items"] = "items"
    data: ItemsData


class LogEvent(Event):
    """The worker has logged something."""

    type: Literal["log"] = "log"
    data: LogData


class ResetEvent(Event):
    """The server no longer has some of the events; this is the whole job as it is now."""

    type: Literal["reset"] = "reset"
    data: Job


class DoneEvent(Event):
    """The job has ended. The last event."""

    type: Literal["done"] = "done"
    data: Outcome


class UnknownEvent(Event):
    """An event that this version of the client doesn't know."""

    type: Literal["unknown"] = "unknown"
    #: Its type, as the server sent it.
    name: str
    data: dict[str, Any]


KnownEvent = (
    StatusEvent | ProgressEvent | MetricEvent | SampleEvent | TextEvent | ItemsEvent | LogEvent | ResetEvent | DoneEvent
)
AnyEvent = KnownEvent | UnknownEvent

_KNOWN: TypeAdapter[KnownEvent] = TypeAdapter(Annotated[KnownEvent, Field(discriminator="type")])


def read_event(*, id: str, type: str, data: dict[str, Any]) -> AnyEvent:  # noqa: A002 (the names in the API)
    """Make an event of what the server has sent."""
    try:
        return _KNOWN.validate_python({"id": id, "type": type, "data": data})
    except ValidationError:
        return UnknownEvent(id=id, name=type, data=data)
