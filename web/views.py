"""What the API answers: one type a thing, from which both the JSON and the OpenAPI document are made."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from shared import jobs, volume
from shared.events import EventType, StoredEvent
from shared.store import WorkerInfo


class View(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True, protected_namespaces=())


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
    encoding: str = Field(description="What the bytes sent were decoded from.")
    sha256: str = Field(description="Of the bytes sent.")
    preview: str = Field(description="How the text begins.")
    created_at: str

    @classmethod
    def of(cls, corpus: volume.Corpus) -> "Corpus":
        """Show a corpus."""
        return cls.model_validate(corpus)


class Progress(View):
    """How far a job is."""

    step: int
    total_steps: int | None
    epoch: int | None
    total_epochs: int | None
    fraction: float = Field(description="Share of the work done, 0 to 1.")
    chars_per_second: float | None
    eta_seconds: float | None


class Losses(View):
    """The newest losses, mean nats per character."""

    train_loss: float | None
    validation_loss: float | None
    best_loss: float | None
    best_epoch: int | None


class JobError(View):
    """Why a job failed."""

    code: str
    detail: str
    retryable: bool


class Links(View):
    """Where to go from a job; null where there is nothing."""

    self: str
    events: str
    cancel: str | None = Field(description="Null once the job has ended.")
    model: str | None = Field(description="The model that writes, or that was made.")


class Job(View):
    """A job: a training, a writing or an import."""

    id: str
    object: Literal["job"] = "job"
    type: jobs.JobType
    status: jobs.Status
    created_at: str
    started_at: str | None
    finished_at: str | None
    queue_position: int | None = Field(description="1 for the next of its queue; null when not queued.")
    attempt: int
    worker: str | None = Field(description="Name of the node that claimed it last.")
    parent_id: str | None
    progress: Progress
    metrics: Losses
    params: dict[str, Any] = Field(description="The request, every option concrete.")
    result: dict[str, Any] | None
    error: JobError | None
    metadata: dict[str, str]
    links: Links

    @classmethod
    def of(cls, job: jobs.Job) -> "Job":
        """Show a job."""
        here = f"/api/v1/jobs/{job.id}"
        has_model = job.type is jobs.JobType.GENERATE or job.status is jobs.Status.SUCCEEDED
        return cls(
            id=job.id,
            type=job.type,
            status=job.shown_status,
            created_at=spell_time(job.created_ms),
            started_at=None if job.started_ms is None else spell_time(job.started_ms),
            finished_at=None if job.finished_ms is None else spell_time(job.finished_ms),
            queue_position=job.queue_position,
            attempt=job.attempt,
            worker=job.worker,
            parent_id=job.parent_id,
            progress=Progress.model_validate(job.progress),
            metrics=Losses.model_validate(job.metrics),
            params=dict(job.params),
            result=None if job.result is None else dict(job.result),
            error=None if job.error is None else JobError.model_validate(job.error),
            metadata=dict(job.metadata),
            links=Links(
                self=here,
                events=f"{here}/events",
                cancel=None if job.ended else f"{here}/cancel",
                model=f"/api/v1/models/{job.model_id}" if has_model else None,
            ),
        )


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


class BestLosses(View):
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
    losses: BestLosses
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
            losses=BestLosses(**{name: model.losses.get(name) for name in BestLosses.model_fields}),
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
            seen_at=spell_time(info.seen_ms),
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


def spell_time(ms: int) -> str:
    """Spell milliseconds since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
