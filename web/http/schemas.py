"""What the API answers: one type a thing, from which both the JSON and the OpenAPI document are made."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from shared import volume
from shared.jobs.events import EventType, StoredEvent
from shared.jobs.schemas import Job, View, format_time
from shared.store import WorkerInfo

__all__ = ["Job", "View", "format_time"]


class Corpus(View):
    """A text to learn from."""

    id: str
    object: Literal["corpus"] = "corpus"
    name: str
    bytes: int = Field(description="Size of the stored text in UTF-8.")
    chars: int
    lines: int
    vocab_size: int = Field(description="Distinct characters.")
    vocab_size_lowercase: int = Field(description="Distinct characters once lower-cased.")
    encoding: str = Field(description="The encoding of the bytes sent.")
    sha256: str = Field(description="Of the bytes sent.")
    preview: str = Field(description="How the text begins.")
    created_at: str

    @classmethod
    def of(cls, corpus: volume.Corpus) -> "Corpus":
        """Show a corpus."""
        return cls.model_validate(corpus)


class Estimate(View):
    """What a training would be."""

    parameters: int = Field(description="Numbers that the model learns.")
    steps: int = Field(description="Training batches, as a job's progress.total_steps counts them.")
    seconds: float | None = Field(
        description="Seconds of computing on the slowest worker seen, at most max_seconds; less where it stops early "
        "for patience. Null while no worker has told its speed: none is seen, or one has just begun."
    )
    memory_bytes: int = Field(description="Memory that it takes on a worker at most.")


class Metric(View):
    """The losses after one epoch, mean nats per character."""

    step: int
    epoch: int | None = None
    seconds: float | None = Field(None, description="Computing time so far.")
    train_loss: float | None = None
    validation_loss: float | None = None
    evaluation_loss: float | None = None
    evaluation_sum: float | None = Field(None, description="classic: the sum that the document prints.")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Metric":
        """Show a row of losses; what this version doesn't know is passed over."""
        return cls.model_validate({name: row.get(name) for name in cls.model_fields})


class ModelLosses(View):
    """The losses of what a model keeps, mean nats per character."""

    train: float | None = None
    validation: float | None = None
    best_epoch: int | None = None


class Model(View):
    """A trained or imported model."""

    id: str
    object: Literal["model"] = "model"
    name: str
    recipe: str
    job_id: str
    parent_model_id: str | None
    corpus_id: str | None
    params: dict[str, Any]
    vocab_size: int
    vocabulary: str = Field(description="Its characters; a character's place is its index.")
    parameters: int
    losses: ModelLosses
    formats: list[str] = Field(description="What /download?format= can send.")
    bytes: int = Field(description="Size of the bundle.")
    created_at: str
    metadata: dict[str, str]

    @classmethod
    def of(cls, model: volume.Model) -> "Model":
        """Show a model."""
        whole = model.files.get("bundle")
        return cls(
            id=model.id,
            name=model.name,
            recipe=model.recipe,
            job_id=model.job_id,
            parent_model_id=model.parent_model_id,
            corpus_id=model.corpus_id,
            params=dict(model.params),
            vocab_size=len(model.vocabulary),
            vocabulary=model.vocabulary,
            parameters=model.parameters,
            losses=ModelLosses.model_validate(model.losses),
            formats=[name for name in ("bundle", "pth") if name in model.files],
            bytes=whole.bytes if whole else sum(file.bytes for file in model.files.values()),
            created_at=model.created_at,
            metadata=dict(model.metadata),
        )


class Worker(View):
    """A worker seen lately."""

    name: str
    host: str
    cores: int
    threads: int = Field(description="Threads that one training computes with.")
    bfloat16: bool = Field(description="Whether its processor has bfloat16 products.")
    versions: dict[str, str]
    running: list[str] = Field(description="Ids of the jobs it runs.")
    seen_at: str

    @classmethod
    def of(cls, info: WorkerInfo) -> "Worker":
        """Show a worker."""
        return cls(
            name=info.name,
            host=info.host,
            cores=info.cores,
            threads=info.threads,
            bfloat16=info.bfloat16,
            versions=dict(info.versions),
            running=list(info.running),
            seen_at=format_time(info.seen_ms),
        )


class Event(View):
    """Something that happened to a job."""

    id: str = Field(description="What Last-Event-ID and `after` take.")
    type: EventType
    data: dict[str, Any]

    @classmethod
    def of(cls, event: StoredEvent) -> "Event":
        """Show an event."""
        return cls(id=event.id, type=event.type, data=dict(event.data))


Item = TypeVar("Item", bound=View)


class Page(View, Generic[Item]):
    """A part of a list."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


def page_of(items: Sequence[View], *, has_more: bool = False, key: str | None = "id") -> Page[Any]:
    """Put items into a page; `key` names what `first_id` and `last_id` are, None where there is nothing like it."""
    first, last = (getattr(items[0], key), getattr(items[-1], key)) if items and key else (None, None)
    return Page[Any](data=list(items), has_more=has_more, first_id=first, last_id=last)


class Health(View):
    """The process lives."""

    status: Literal["ok"] = "ok"


class Readiness(View):
    """Everything that a job needs is there."""

    status: Literal["ready"] = "ready"
    workers: int = Field(description="Workers seen lately.")


class WrongValue(View):
    """One wrong value of a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the body or the query.")
    detail: str


class Problem(View):
    """An error, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str = Field(description="Short stable word for programs.")
    request_id: str
    errors: list[WrongValue]
