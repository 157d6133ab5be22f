"""A job in the form that the API, the pages and webhook messages show. Knows records and pydantic only."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.jobs import record
from shared.jobs.shapes import Baselines, Described, Params, Result


class View(BaseModel):
    """A response."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        from_attributes=True,
        protected_namespaces=(),
        json_schema_serialization_defaults_required=True,  # a response has every field
    )


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
    baselines: Baselines | None = Field(description="Null before the first step and without a validation part.")


class JobError(View):
    """Why a job failed."""

    code: str
    detail: str
    retryable: bool


class StartingPoint(View):
    """The weights that a training starts from, and why these."""

    model_id: str | None = Field(description="The model; null: random weights.")
    name: str | None = Field(description="The model's name when the job was sent.")
    sha256: str | None = Field(description="SHA-256 of the model's bundle.")
    reason: str
    loss: float | None = Field(
        description="Where bases were tried: the loss of the best one on a sample of the text, nats per character."
    )
    pairs_loss: float | None = Field(description="The loss of counts of letter pairs on the same sample.")


class Links(View):
    """Related addresses; null if there is none."""

    self: str
    events: str
    cancel: str | None = Field(description="Null once the job has ended.")
    model: str | None = Field(description="The model that generates, or that was trained or imported.")
    corpus: str | None = Field(description="The corpus that was made.")


class Job(View):
    """A job: a training, a text generation, an import of a model or an extraction of a text."""

    id: str
    object: Literal["job"] = "job"
    type: record.JobType
    status: record.Status
    created_at: str
    started_at: str | None
    finished_at: str | None
    queue_position: int | None = Field(
        description="1 for the next of its queue, where callers take turns; null when not queued."
    )
    attempt: int
    worker: str | None = Field(description="Name of the node that claimed it last.")
    parent_id: str | None
    request_id: str | None = Field(
        description="Id of the request that submitted it: the logs of web servers and workers have it."
    )
    progress: Progress
    metrics: Losses
    params: Annotated[dict[str, Any], Described(Params)] = Field(
        description="The request with the values that omitted options got."
    )
    result: Annotated[dict[str, Any] | None, Described(Result | None)] = Field(description="Null before the end.")
    error: JobError | None
    metadata: dict[str, str]
    starting_point: StartingPoint | None = Field(description="Of a training; null in those of earlier versions.")
    links: Links

    @classmethod
    def of(cls, job: record.Job) -> "Job":
        """Make the representation of a job."""
        here = f"/api/v1/jobs/{job.id}"
        ended_well = job.status is record.Status.SUCCEEDED
        has_model = job.type is record.JobType.GENERATE or (job.type in record.MAKES_MODEL and ended_well)
        corpus_id = (job.result or {}).get("corpus_id")
        return cls(
            id=job.id,
            type=job.type,
            status=job.shown_status,
            created_at=format_time(job.created_ms),
            started_at=None if job.started_ms is None else format_time(job.started_ms),
            finished_at=None if job.finished_ms is None else format_time(job.finished_ms),
            queue_position=job.queue_position,
            attempt=job.attempt,
            worker=job.worker,
            parent_id=job.parent_id,
            request_id=job.request_id,
            progress=Progress.model_validate(job.progress),
            metrics=Losses.model_validate(job.metrics),
            params=dict(job.params),
            result=None if job.result is None else dict(job.result),
            error=None if job.error is None else JobError.model_validate(job.error),
            metadata=dict(job.metadata),
            starting_point=None if job.starting_point is None else StartingPoint.model_validate(job.starting_point),
            links=Links(
                self=here,
                events=f"{here}/events",
                cancel=None if job.ended else f"{here}/cancel",
                model=f"/api/v1/models/{job.model_id}" if has_model else None,
                corpus=f"/api/v1/corpora/{corpus_id}" if corpus_id else None,
            ),
        )


def format_time(ms: int) -> str:
    """Return milliseconds since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
