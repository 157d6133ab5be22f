"""Texts, models, workers and the rest of the server's responses, as frozen records."""

from typing import Annotated, Any

from charloom.job_records import Baselines, StartingPoint
from charloom.record import Record, Time
from charloom.values import Format, Open, Recipe, TableFormat


class ModelItems(Record):
    """The list that a model was trained on."""

    separator: str
    count: int
    #: Different items.
    unique: int


class Items(ModelItems):
    """The list that a text was recognized as."""

    #: Characters of the longest item.
    longest: int


class Column(Record):
    """A column of an uploaded table."""

    name: str
    format: Annotated[TableFormat, Open()]


class Source(Record):
    """The file that a text was extracted from."""

    format: str
    filename: str
    #: As the file says; None if it doesn't.
    title: str | None = None
    author: str | None = None
    #: Files of an archive that the text consists of.
    files: int = 1


class Corpus(Record):
    """A text to train on."""

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
    #: The column that it is of the table that was sent; None if it is all that was sent.
    column: Column | None = None
    #: None if it isn't a list.
    items: Items | None = None
    #: The corpus that it was cleaned from; None for other texts.
    parent_id: str | None = None
    #: The file that it was extracted from; None if a text was sent.
    source: Source | None = None
    metadata: dict[str, str] = {}
    #: The corpora that it was joined from.
    parent_ids: list[str] = []
    #: The name of the API key with which it was made; "" without keys.
    owner: str = ""


class Character(Record):
    """A character of a text."""

    character: str
    #: How often it occurs in the text.
    count: int


class ModelLosses(Record):
    """The losses of a model, mean nats per character."""

    train: float | None = None
    validation: float | None = None
    best_epoch: int | None = None


class Model(Record):
    """A trained or imported model."""

    id: str
    object: str = "model"
    name: str
    recipe: Annotated[Recipe, Open()]
    job_id: str
    parent_model_id: str | None = None
    corpus_id: str | None = None
    params: dict[str, Any] = {}
    vocab_size: int
    #: Its characters, in the order of their indices.
    vocabulary: str
    parameters: int
    losses: ModelLosses = ModelLosses()
    #: None where the training had no validation part.
    baselines: Baselines | None = None
    #: What can be downloaded.
    formats: list[Annotated[Format, Open()]] = []
    bytes: int
    created_at: Time
    metadata: dict[str, str] = {}
    #: The list that it was trained on; None for other texts.
    items: ModelItems | None = None
    #: Whether trainings on texts of its language start from it automatically.
    base: bool = False
    starting_point: StartingPoint | None = None
    #: The name of the API key with which it was made; "" without keys.
    owner: str = ""


class Worker(Record):
    """A worker seen lately."""

    name: str
    host: str
    cores: int
    #: Processors' time that its container may use; None if that isn't limited.
    cpu_quota: float | None = None
    threads: int
    bfloat16: bool = False
    #: What computes its trainings, such as "avx2", and its kind of processor: where both and the versions agree,
    #: weights are the same bit for bit.
    kernel: str = ""
    processor: str = ""
    #: The worker's process on its host, and when it started, in seconds since the host's boot; 0 if not known.
    pid: int = 0
    started_s: float = 0.0
    versions: dict[str, str] = {}
    #: Ids of the jobs it runs.
    running: list[str] = []
    #: Trainings, and other jobs in addition, that it runs at once at most.
    train_slots: int = 0
    generate_slots: int = 0
    #: Whether it releases its jobs and takes none.
    draining: bool = False
    #: Why it takes no jobs: its folder isn't the service's volume, or doesn't respond.
    volume_error: str | None = None
    seen_at: Time


class Estimate(Record):
    """What a training would take on the workers now seen."""

    parameters: int
    steps: int
    seconds: float | None = None
    memory_bytes: int
    starting_point: StartingPoint | None = None


class Quota(Record):
    """How much of something a caller has."""

    stored: int
    #: What their live jobs will make.
    reserved: int = 0
    #: Most of both together; None: any number.
    limit: int | None = None


class Usage(Record):
    """What a caller stores: an API key, or everybody where there are no keys."""

    object: str = "usage"
    #: The key's name; "" without keys.
    owner: str = ""
    texts: Quota
    models: Quota
    #: Of texts and models together.
    bytes: Quota


class Readiness(Record):
    """Whether jobs can be submitted."""

    status: str
    #: Workers seen lately.
    workers: int = 0
    #: What is missing; "" if ready.
    detail: str = ""

    @property
    def ready(self) -> bool:
        """Whether the service takes jobs; they wait in their queue while `workers` is 0."""
        return self.status == "ready"
