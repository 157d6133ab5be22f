"""What a job may be asked to do: the only place with names, limits, defaults and help of every option.

The API, the forms, the OpenAPI document and the command line all take theirs from these types. Fitting a request to a
text is `shared/requests/fit.py`; nothing here knows Redis, Flask or torch.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
)
from pydantic.fields import FieldInfo

from shared.requests.recipes import CLASSIC, STREAM, Recipe
from shared.requests.webhook_urls import MAX_URL_CHARS, parse

#: Largest seed: 2**63 - 1, what torch and numpy both take.
MAX_SEED = 2**63 - 1

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_holds_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_holds_nul(part) for part in value)


def _left_open(schema: dict[str, Any]) -> None:
    """Tell no default: shared/requests/defaults.py chooses it for each text."""
    del schema["default"]


def is_chosen(field: FieldInfo) -> bool:
    """Return True if an option that is left out is chosen for each text, so that its default says nothing."""
    return field.json_schema_extra is _left_open


def is_default(field: FieldInfo, value: Any) -> bool:
    """Return True if leaving an option out comes to this value whatever the text."""
    return not is_chosen(field) and bool(value == field.get_default(call_default_factory=True))


class Request(BaseModel):
    """A request body: unknown fields are refused, numbers must be numbers, NaN and infinities are no numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @field_validator("*", mode="after")
    @classmethod
    def _no_nul(cls, value: Any) -> Any:
        if _holds_nul(value):
            raise ValueError("holds a NUL character (U+0000); remove it")
        return value


def _check_receiver(url: str) -> str:
    parse(url)
    return url


class Webhook(Request):
    """Whom to tell what becomes of a job."""

    url: Annotated[str, StringConstraints(max_length=MAX_URL_CHARS), AfterValidator(_check_receiver)] = Field(
        description="Where to post the messages: an https address, or http where this service's settings allow it.",
        json_schema_extra={"format": "uri", "pattern": "^https?://[!-~]+$"},
    )
    events: list[Literal["job.running", "job.succeeded", "job.failed", "job.cancelled"]] = Field(
        ["job.succeeded", "job.failed", "job.cancelled"], min_length=1, max_length=4, description="What to tell."
    )


class TrainRequest(Request):
    """The options that both recipes share. Their defaults depend on the recipe: see the two classes below."""

    kind: ClassVar[Recipe]
    corpus_id: str = Field(description="The text to learn from, as uploaded to /corpora.")
    name: Name | None = Field(None, description="What to call the model. The corpus' name when left out.")
    init_from: str | None = Field(
        None, description="Start from this model's weights instead of random ones; its sizes and characters hold."
    )
    lowercase: bool = Field(description="Lower-case the text first: fewer characters to learn.")
    seq_length: int = Field(100, ge=1, le=2048, description="Characters the network looks back over when it learns.")
    hidden_size: int = Field(
        256,
        ge=1,
        le=4096,
        description="Width of the LSTM: more learns more, slower. With a time limit stream chooses it by the text.",
    )
    layers: int = Field(1, ge=1, le=8, description="LSTM layers on top of one another.")
    batch_size: int = Field(ge=1, le=4096, description="Sequences that are learned from at once.")
    dropout: float = Field(ge=0, lt=1, description="Share of the signals dropped while learning, against copying.")
    weight_dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of the recurrent weights left out of each step, for many epochs of a text."
    )
    epochs: int = Field(ge=1, le=10_000, description="Times to go through the text.")
    max_seconds: float | None = Field(
        None, ge=1, le=604_800, description="Stop after this many seconds of computing and keep the best so far."
    )
    learning_rate: float = Field(gt=0, le=1, description="Size of the steps; stream's highest, classic's only one.")
    grad_clip: float = Field(ge=0, le=1000, description="Longest gradient allowed; 0 doesn't clip.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        description="Numbers to compute with: auto takes bfloat16 where the processor has it."
    )
    patience: int = Field(ge=0, le=10_000, description="Epochs without a better loss before stopping; 0 never stops.")
    sample_chars: int = Field(
        200, ge=0, le=10_000, description="Characters to write as a sample after each epoch; 0 writes none."
    )
    checkpoint_seconds: float = Field(
        30, ge=1, le=3600, description="Seconds between saves of the training state: at most this much work is lost."
    )
    seed: Seed | None = Field(None, description="Start of all random numbers. A random one when left out.")
    webhook: Webhook | None = Field(
        None, description="Tell another service, in signed messages, when the job begins or ends."
    )
    metadata: Metadata = Field(default_factory=dict, description="Up to 16 pairs of strings of your own.")


class ClassicRequest(TrainRequest):
    """The seed document's recipe, its defaults number for number."""

    kind = CLASSIC
    recipe: Literal["classic"] = Field(description="Windows of scalars, one target a window, as in the document.")
    lowercase: bool = Field(True, description="Lower-case the text first, as the document does.")
    embedding_size: Literal[0] = Field(0, description="Always 0: classic reads each character as one number.")
    batch_size: int = Field(128, ge=1, le=4096, description="Windows that are learned from at once.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of the last state dropped while learning.")
    epochs: int = Field(20, ge=1, le=10_000, description="Times to go through all windows.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Size of Adam's steps.")
    grad_clip: float = Field(0, ge=0, le=1000, description="Longest gradient allowed; 0 doesn't clip.")
    validation_fraction: Literal[0] = Field(0, description="Always 0: classic evaluates over all windows it trains on.")
    patience: int = Field(
        0, ge=0, le=10_000, description="Epochs without a better loss before stopping; 0 never stops."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "float32", description="Numbers to compute with; float32 agrees with the document."
    )


class StreamRequest(TrainRequest):
    """Every position trained, the state carried from chunk to chunk: the default, hundreds of times sooner."""

    kind = STREAM
    recipe: Literal["stream"] = Field("stream", description="Every character is a target; the state is carried on.")
    lowercase: bool = Field(
        False, description="Lower-case the text first: slightly easier to learn, but names, code and chemistry suffer."
    )
    embedding_size: int = Field(64, ge=1, le=1024, description="Numbers that stand for one character.")
    seq_length: int = Field(128, ge=1, le=2048, description="Characters the network looks back over when it learns.")
    batch_size: int = Field(32, ge=1, le=4096, description="Places of the text that are read side by side.")
    dropout: float = Field(
        0.2,
        ge=0,
        lt=1,
        json_schema_extra=_left_open,
        description="Share of the signals dropped while learning. Left out, chosen by epochs and text.",
    )
    weight_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        json_schema_extra=_left_open,
        description="Share of the recurrent weights left out of each step. Left out, chosen by epochs and text.",
    )
    epochs: int = Field(
        12, ge=1, le=10_000, description="Times to go through the text; with a time limit, chosen by time and text."
    )
    learning_rate: float = Field(1e-2, gt=0, le=1, description="Highest step size of the schedule.")
    grad_clip: float = Field(1.0, ge=0, le=1000, description="Longest gradient allowed; 0 doesn't clip.")
    validation_fraction: float = Field(
        0.1, ge=0, le=0.5, description="Share of the text, at its end, kept back to judge the model; 0 keeps none."
    )
    patience: int = Field(
        3, ge=0, le=10_000, description="Epochs without a better loss before stopping; 0 never stops."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="bfloat16 where the processor has it."
    )


#: By the recipe's name.
TRAIN_REQUESTS: dict[str, type[StreamRequest] | type[ClassicRequest]] = {
    STREAM.name: StreamRequest,
    CLASSIC.name: ClassicRequest,
}


def _recipe_of(value: Any) -> str | None:
    recipe = value.get("recipe", "stream") if isinstance(value, dict) else getattr(value, "recipe", None)
    return recipe if isinstance(recipe, str) else None


AnyTrainRequest = Annotated[
    Annotated[StreamRequest, Tag("stream")] | Annotated[ClassicRequest, Tag("classic")],
    Discriminator(
        _recipe_of,
        custom_error_type="recipe",
        custom_error_message='recipe must be "stream" or "classic"',
    ),
]

StopString = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class GenerateRequest(Request):
    """Let a model write."""

    model_id: str = Field(description="The model that writes.")
    prompt: str | None = Field(
        None,
        min_length=1,
        max_length=100_000,
        description="Text to go on from. A random passage of the model's corpus when left out.",
    )
    length: int = Field(1000, ge=1, le=100_000, description="Characters to write.")
    temperature: float = Field(
        0.7,
        ge=0,
        le=10,
        description="0 always takes the likeliest character and tends to loop; 1 is the model's own "
        "spread; more is wilder.",
    )
    top_k: int | None = Field(None, ge=1, description="Choose among the k likeliest characters only.")
    top_p: float | None = Field(
        None, gt=0, le=1, description="Choose among the likeliest characters that together have this probability."
    )
    stop: list[StopString] | None = Field(
        None, min_length=1, max_length=8, description="End before the first of these strings."
    )
    n: int = Field(1, ge=1, le=64, description="Variants to write side by side.")
    seed: Seed | None = Field(None, description="Same request, same seed, same text. A random one when left out.")
    unknown_chars: Literal["error", "drop"] = Field(
        "error", description="What to do with characters of the prompt that the model never saw."
    )
    metadata: Metadata = Field(default_factory=dict, description="Up to 16 pairs of strings of your own.")


class ModelPatch(Request):
    """What can be changed of a model. Fields left out stay."""

    name: Name | None = Field(None, description="The new name.")
    metadata: Metadata | None = Field(None, description="The new pairs; they replace the old ones.")
