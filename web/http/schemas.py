"""The types of the API's responses, from which both the JSON and the OpenAPI document are made."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from shared import volume
from shared.jobs.events import EventType, StoredEvent
from shared.jobs.schemas import Job, StartingPoint, View, format_time
from shared.jobs.shapes import Baselines
from shared.store import WorkerInfo
from shared.text.source_formats import SourceFormat
from web.http.event_schemas import AnyEvent

__all__ = ["Job", "View", "format_time"]

#: Characters of a vocabulary that a list shows: there may be a million of them.
LISTED_CHARS = 1000


class ModelItems(View):
    """The list that a model was trained on."""

    separator: str = Field(description="What separates two items.")
    count: int = Field(description="Items of the list.")
    unique: int = Field(description="Different items.")


class Items(ModelItems):
    """The list that a text was recognized as."""

    longest: int = Field(description="Characters of the longest item.")


class Column(View):
    """A column of an uploaded table."""

    name: str
    format: Literal["csv", "tsv", "jsonl"]


class Source(View):
    """The file that a text was extracted from."""

    format: SourceFormat
    filename: str
    title: str | None = Field(description="As the file says; null if it doesn't.")
    author: str | None = Field(description="As the file says; null if it doesn't.")
    files: int = Field(description="Files of an archive that the text consists of.")


class Corpus(View):
    """A text to train on."""

    id: str
    object: Literal["corpus"] = "corpus"
    name: str
    bytes: int = Field(description="Size of the stored text in UTF-8.")
    chars: int
    lines: int
    vocab_size: int = Field(description="Distinct characters.")
    vocab_size_lowercase: int = Field(description="Distinct characters once lower-cased.")
    encoding: str = Field(description="The encoding that the bytes were sent in.")
    sha256: str = Field(description="SHA-256 of the bytes sent.")
    preview: str = Field(description="The beginning of the text.")
    created_at: str
    column: Column | None = Field(description="The column that the text is of the table that was sent; null if none.")
    items: Items | None = Field(
        description="The list that the text was recognized as; null for other texts, and for those that were uploaded "
        "before lists were recognized."
    )
    metadata: dict[str, str]
    parent_id: str | None = Field(description="The corpus that it was cleaned from; null for other texts.")
    parent_ids: list[str] = Field(description="The corpora that it was joined from; empty for other texts.")
    source: Source | None = Field(description="The file that the text was extracted from; null if a text was sent.")
    owner: str = Field(description='The name of the API key with which it was made; "" without keys, and if unknown.')

    @classmethod
    def of(cls, corpus: volume.Corpus) -> "Corpus":
        """Make the representation of a corpus."""
        return cls.model_validate(corpus)


class Character(View):
    """A character of a text."""

    object: Literal["character"] = "character"
    character: str
    count: int = Field(description="How often it occurs in the text.")


class Estimate(View):
    """The size and duration of a training."""

    parameters: int = Field(description="Trainable parameters of the model.")
    steps: int = Field(description="Training batches, as a job's progress.total_steps counts them.")
    seconds: float | None = Field(
        description="Seconds of computing on the slowest worker seen, at most max_seconds; less if it stops early "
        "for patience. Null while no worker's speed is known: none is seen, or one has just started."
    )
    memory_bytes: int = Field(description="The most memory that it takes on a worker.")
    starting_point: StartingPoint


class Metric(View):
    """The losses after one epoch, mean nats per character."""

    step: int
    epoch: int | None = None
    seconds: float | None = Field(None, description="Computing time so far.")
    train_loss: float | None = None
    validation_loss: float | None = None
    evaluation_loss: float | None = None
    evaluation_sum: float | None = Field(None, description="classic: the sum that the seed document prints.")

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Metric":
        """Make the representation of a row of losses; fields that this version doesn't know are left out."""
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
    vocabulary: str = Field(
        description=f"Its characters; a character's place is its index. A list has the first {LISTED_CHARS:,} at most."
    )
    parameters: int
    losses: ModelLosses
    baselines: Baselines | None = Field(description="Null where the training had no validation part.")
    formats: list[str] = Field(description="The formats that it can be downloaded in.")
    bytes: int = Field(description="Size of the bundle.")
    created_at: str
    metadata: dict[str, str]
    items: ModelItems | None = Field(
        description="The list that it was trained on; null for other texts, and for models that are older than lists."
    )
    base: bool = Field(description="Whether stream trainings on texts of its language start from it automatically.")
    owner: str = Field(description='The name of the API key with which it was made; "" without keys, and if unknown.')
    starting_point: StartingPoint | None = Field(
        description="Null for an imported model, and for those of earlier versions."
    )

    @classmethod
    def of(cls, model: volume.Model, *, base: bool, listed: bool = False) -> "Model":
        """Make the representation of a model, alone or as one of a list; base: whether it is marked as one."""
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
            vocabulary=model.vocabulary[:LISTED_CHARS] if listed else model.vocabulary,
            parameters=model.parameters,
            losses=ModelLosses.model_validate(model.losses),
            baselines=Baselines.model_validate(model.losses.baselines) if model.losses.baselines else None,
            formats=[name for name in ("bundle", "pth") if name in model.files],
            bytes=whole.bytes if whole else sum(file.bytes for file in model.files.values()),
            created_at=model.created_at,
            metadata=dict(model.metadata),
            items=None if model.items is None else ModelItems.model_validate(model.items),
            owner=model.owner,
            base=base,
            starting_point=None if model.starting_point is None else StartingPoint.model_validate(model.starting_point),
        )


class ListItem(View):
    """An item that a generate job has written."""

    object: Literal["item"] = "item"
    index: int = Field(description="Its place in the list, from 0.")
    text: str
    logprob: float = Field(
        description="Natural logarithm of the probability that the model writes it: the sum over its characters and "
        "the separator after it, by the model's own distribution (temperature 1)."
    )
    known: bool | None = Field(description="Whether the training text has it. Null if that text is gone.")


class Worker(View):
    """A worker seen lately."""

    name: str
    host: str
    cores: int = Field(description="Processors that it may use, at most its quota rounded up.")
    cpu_quota: float | None = Field(description="Processors' time that its container may use; null if not limited.")
    threads: int = Field(description="Threads that one training computes with.")
    bfloat16: bool = Field(description="Whether its processor multiplies bfloat16.")
    kernel: str = Field(
        description="What computes its trainings: the compiled layer's instructions, such as avx2, or torch. The same "
        "request gives the same weights, bit for bit, where this, processor and versions agree. Empty from an older "
        "version."
    )
    processor: str = Field(description="The host's kind of processor; empty from an older version.")
    pid: int = Field(description="The worker's process on its host; 0 from an older version.")
    started_s: float = Field(description="When that process started, in seconds since its host's boot.")
    versions: dict[str, str]
    running: list[str] = Field(description="Ids of the jobs it runs.")
    train_slots: int = Field(description="Trainings that it runs at once at most.")
    generate_slots: int = Field(description="Other jobs that it runs at once at most, in addition.")
    draining: bool = Field(description="Whether it releases its jobs and takes none, until that is withdrawn.")
    volume_error: str | None = Field(
        description="Why it takes no jobs: its folder isn't the service's volume, or doesn't respond."
    )
    seen_at: str

    @classmethod
    def of(cls, info: WorkerInfo) -> "Worker":
        """Make the representation of a worker."""
        return cls(
            name=info.name,
            host=info.host,
            cores=info.cores,
            cpu_quota=info.cpu_quota,
            threads=info.threads,
            bfloat16=info.bfloat16,
            kernel=info.kernel,
            processor=info.processor,
            pid=info.pid,
            started_s=info.started_s,
            versions=dict(info.versions),
            running=list(info.running),
            train_slots=info.train_slots,
            generate_slots=info.generate_slots,
            draining=info.draining,
            volume_error=info.volume_error,
            seen_at=format_time(info.seen_ms),
        )


class Event(View):
    """Something that happened to a job."""

    id: str
    type: EventType
    data: dict[str, Any]

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe an event by its kinds."""
        return handler(TypeAdapter(AnyEvent).core_schema)

    @classmethod
    def of(cls, event: StoredEvent) -> "Event":
        """Make the representation of an event."""
        return cls(id=event.id, type=event.type, data=dict(event.data))


Item = TypeVar("Item", bound=View)


class Page(View, Generic[Item]):
    """A page of a list."""

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


def page_of(items: Sequence[View], *, has_more: bool = False, key: str | None = "id") -> Page[Any]:
    """Put items into a page; `key` names the attribute for `first_id` and `last_id`, None if there is none."""
    first, last = (str(getattr(items[0], key)), str(getattr(items[-1], key))) if items and key else (None, None)
    return Page[Any](data=list(items), has_more=has_more, first_id=first, last_id=last)


class Quota(View):
    """How much of something a caller has."""

    stored: int
    reserved: int = Field(description="What their live jobs will make; of bytes an estimate.")
    limit: int | None = Field(description="Most of both together; null: any number.")


class Usage(View):
    """What a caller stores."""

    object: Literal["usage"] = "usage"
    owner: str = Field(description='The name of their API key; "" without keys: then all that there is counts.')
    texts: Quota
    models: Quota
    bytes: Quota = Field(description="Of texts and models together, without the indexes of texts.")


class Health(View):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class Readiness(View):
    """Jobs can be submitted: Redis and the volume can be reached."""

    status: Literal["ready"] = "ready"
    workers: int = Field(description="Workers seen lately; without any, jobs wait in their queue.")


class WebhookMessage(BaseModel):
    """What a webhook receives."""

    type: Literal["job.running", "job.succeeded", "job.failed", "job.cancelled"]
    timestamp: str
    data: Job
    omitted: list[str] = Field([], description="Fields of `data` that are empty to keep the message below 20 kB.")


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
