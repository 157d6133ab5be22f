"""The requests for trainings: the only place with the name, limits, default and help of each of their options.

The API, the forms, the OpenAPI document and the command line all take theirs from these types, as they take those for
text from `shared/requests/writing.py`. Fitting a request to a text is `shared/requests/fit.py`; nothing here knows
Redis, Flask or torch.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    SecretStr,
    StringConstraints,
    Tag,
)
from pydantic.fields import FieldInfo

from shared.requests.fields import PRIORITY_HELP, Metadata, Name, Priority, Request, Seed
from shared.requests.recipes import CLASSIC, STREAM, Recipe
from shared.requests.webhook_urls import MAX_URL_CHARS, parse
from shared.setting_forms import WEBHOOK_KEY_PATTERN, check_webhook_secret
from shared.text.items import MAX_SEPARATOR

#: The value of `init_from` that lets the service choose among the bases.
AUTO = "auto"
#: Default learning rate of a `stream` training that starts from a model: at 0.01 it first forgets (bench/LOG.md).
RATE_FROM_MODEL, RATE_ON_SHORT_TEXT = 3e-3, 1e-3

SeqLength = Annotated[int, Field(ge=1, le=2048)]
HiddenSize = Annotated[int, Field(ge=1, le=4096)]
Layers = Annotated[int, Field(ge=1, le=8)]
EmbeddingSize = Annotated[int, Field(ge=1, le=1024)]


def _chosen_by_text(schema: dict[str, Any]) -> None:
    """Remove the default from a field's schema: shared/requests/fit.py replaces it by a value that suits the text."""
    del schema["default"]


def is_chosen(field: FieldInfo) -> bool:
    """Return True if an omitted option gets a value that depends on the text, the time limit and the workers' speed."""
    return field.json_schema_extra is _chosen_by_text


def is_default(field: FieldInfo, value: Any) -> bool:
    """Return True if omitting an option is the same as giving this value, for every text."""
    return not is_chosen(field) and bool(value == field.get_default(call_default_factory=True))


def _check_receiver(url: str) -> str:
    parse(url)
    return url


WebhookSecret = Annotated[
    SecretStr, AfterValidator(check_webhook_secret), Field(json_schema_extra={"pattern": WEBHOOK_KEY_PATTERN})
]


class Webhook(Request):
    """A URL that is notified of a job's start or end."""

    url: Annotated[str, StringConstraints(max_length=MAX_URL_CHARS), AfterValidator(_check_receiver)] = Field(
        description="Where to post the messages: an https URL, or http if the service's settings allow it.",
        json_schema_extra={"format": "uri", "pattern": "^https?://[!-~]+$"},
    )
    events: list[Literal["job.running", "job.succeeded", "job.failed", "job.cancelled"]] = Field(
        ["job.succeeded", "job.failed", "job.cancelled"], min_length=1, max_length=4, description="Events to send."
    )
    secret: WebhookSecret | None = Field(
        None,
        description="Signs the messages: whsec_ and 24 to 64 bytes in base64. Never shown again. When left out, the "
        "service's own secret signs them.",
    )


class ItemsOption(Request):
    """How the items of a list are separated."""

    separator: str = Field(
        min_length=1,
        max_length=MAX_SEPARATOR,
        description=r'What separates two items, such as "\n" (one per line) or "\n%\n".',
    )


class TrainRequest(Request):
    """The options that both recipes have. Their defaults differ: see the two classes below."""

    kind: ClassVar[Recipe]
    corpus_id: str = Field(description="The text to train on: the id of an uploaded corpus.")
    name: Name | None = Field(None, description="The model's name; the corpus's if omitted.")
    init_from: str | None = Field(
        None,
        description="Start from this model's weights instead of random ones. Its sizes are used.",
    )
    lowercase: bool = Field(description="Convert the text to lower case: fewer characters to learn.")
    seq_length: SeqLength = Field(100, description="Sequence length: how many characters back the network learns from.")
    hidden_size: HiddenSize = Field(
        256,
        description="Units per LSTM layer: more learn more, but slower. Without a time limit 256.",
    )
    layers: Layers = Field(1, description="Number of LSTM layers.")
    batch_size: int = Field(ge=1, le=4096, description="Sequences per batch.")
    dropout: float = Field(ge=0, lt=1, description="Share of activations dropped in training, against overfitting.")
    weight_dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of recurrent weights dropped in each step, for many epochs."
    )
    epochs: int = Field(ge=1, le=10_000, description="How many times to train on the whole text.")
    max_seconds: float | None = Field(
        None,
        ge=1,
        le=604_800,
        description="Stop after this many seconds of computation and keep the best model so far.",
    )
    learning_rate: float = Field(gt=0, le=1, description="Learning rate; for stream the highest of its schedule.")
    grad_clip: float = Field(ge=0, le=1000, description="Maximum norm of the gradients; 0 doesn't clip them.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        description="Number format. auto: bfloat16 where the processor supports it, and 8 bits in recurrent products "
        "where these are faster; else float32."
    )
    patience: int = Field(
        ge=0, le=10_000, description="Stop after this many epochs without a better loss; 0 never stops."
    )
    sample_chars: int = Field(
        200, ge=0, le=10_000, description="Characters of the sample generated after each epoch; 0 generates none."
    )
    checkpoint_seconds: float = Field(
        30, ge=1, le=3600, description="Seconds between checkpoints: at most this much work is lost."
    )
    seed: Seed | None = Field(None, description="Seed of all random numbers; random if omitted.")
    priority: Priority = Field("normal", description=PRIORITY_HELP)
    webhook: Webhook | None = Field(None, description="Send signed messages to a URL when the job starts or ends.")
    metadata: Metadata = Field(default_factory=dict, description="Up to 16 key-value pairs of your own.")


class ClassicRequest(TrainRequest):
    """The seed document's recipe, with its defaults."""

    kind = CLASSIC
    recipe: Literal["classic"] = Field(
        description="Windows with one target each: the PyTorch tutorial's recipe, much slower."
    )
    lowercase: bool = Field(True, description="Convert the text to lower case, as the seed document does.")
    embedding_size: Literal[0] = Field(0, description="Always 0: classic reads each character as one number.")
    batch_size: int = Field(128, ge=1, le=4096, description="Windows per batch.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of the last hidden state dropped in training.")
    epochs: int = Field(20, ge=1, le=10_000, description="How many times to train on all windows.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Adam's learning rate.")
    grad_clip: float = Field(0, ge=0, le=1000, description="Maximum norm of the gradients; 0 doesn't clip them.")
    validation_fraction: Literal[0] = Field(0, description="Always 0: classic evaluates on all windows it trains on.")
    patience: int = Field(
        0, ge=0, le=10_000, description="Stop after this many epochs without a better loss; 0 never stops."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "float32", description="Number format; float32 gives the seed document's numbers."
    )


class StreamRequest(TrainRequest):
    """The default recipe: every position is a target, and the state is carried from one sequence to the next."""

    kind = STREAM
    recipe: Literal["stream"] = Field(
        "stream", description="Every character is a target and the state is carried on: a good model quickly."
    )
    init_from: str | None = Field(
        AUTO,
        description="What to start from. auto: a base that knows the text's language, if there is one, else random "
        "weights; null: random weights; or a model's id: its sizes are used, and it is extended by characters that it "
        "doesn't know.",
    )
    lowercase: bool = Field(
        False,
        description="Convert the text to lower case: slightly easier to learn, but names, code and chemistry suffer.",
    )
    items: ItemsOption | None = Field(
        None,
        json_schema_extra=_chosen_by_text,
        description="Train on a list: its items are shuffled again in each epoch, and whole items are held out for "
        "validation. null: not a list. If omitted, what the upload recognized.",
    )
    embedding_size: EmbeddingSize = Field(64, description="Size of each character's embedding.")
    seq_length: SeqLength = Field(
        128,
        json_schema_extra=_chosen_by_text,
        description="Sequence length: how many characters back the network learns from.",
    )
    hidden_size: HiddenSize = Field(
        256,
        json_schema_extra=_chosen_by_text,
        description="Units per LSTM layer: more learn more, but slower. Without a time limit 256.",
    )
    batch_size: int = Field(
        32,
        ge=1,
        le=4096,
        json_schema_extra=_chosen_by_text,
        description="Batch rows: places of the text that are trained on in parallel.",
    )
    dropout: float = Field(
        0.2,
        ge=0,
        lt=1,
        json_schema_extra=_chosen_by_text,
        description="Share of activations dropped in training, against overfitting.",
    )
    weight_dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        json_schema_extra=_chosen_by_text,
        description="Share of recurrent weights dropped in each step, for many epochs.",
    )
    dropout_epochs: int = Field(
        0,
        ge=0,
        le=10_000,
        json_schema_extra=_chosen_by_text,
        description="Epochs in which dropout and weight_dropout rise from 0: what is read for the first time can't be "
        "overfitted. 0: constant, as when one of the two is given.",
    )
    seq_length_warmup: int = Field(
        0,
        ge=0,
        le=4,
        json_schema_extra=_chosen_by_text,
        description="Epochs with shorter sequences, and so more steps, which teach most at first: 1 trains the first "
        "epoch on halves of seq_length, 2 on quarters and the next on halves. 0: none, as when seq_length is given.",
    )
    output_learning_rate_factor: float = Field(
        1.0,
        gt=0,
        le=16,
        json_schema_extra=_chosen_by_text,
        description="The learning rate of the output layer in the first epoch, as a multiple of learning_rate; what "
        "exceeds 1 falls as 1 / epoch. If omitted: 4 up to 256 units, less for wider layers; 1 with init_from.",
    )
    epochs: int = Field(
        12,
        ge=1,
        le=10_000,
        json_schema_extra=_chosen_by_text,
        description="How many times to train on the whole text. If omitted: 5 from a model on a text that has fewer "
        "characters than the model has recurrent weights; otherwise 12 without a time limit.",
    )
    learning_rate: float = Field(
        1e-2,
        gt=0,
        le=1,
        json_schema_extra=_chosen_by_text,
        description=f"Highest learning rate of the schedule. If omitted: 0.01; with init_from {RATE_FROM_MODEL:g}, "
        f"or {RATE_ON_SHORT_TEXT:g} on a text that has fewer characters than the model has recurrent weights.",
    )
    grad_clip: float = Field(1.0, ge=0, le=1000, description="Maximum norm of the gradients; 0 doesn't clip them.")
    validation_fraction: float = Field(
        0.1,
        ge=0,
        le=0.5,
        json_schema_extra=_chosen_by_text,
        description="Share of the text, or of a list's items, held out for validation; 0 for none. Usually 0.1.",
    )
    validation: Literal["tail", "spread"] | None = Field(
        None,
        json_schema_extra=_chosen_by_text,
        description="Where the validation part is taken from a text. spread, the default: ten slices all over it; "
        "tail: its end. Not for a list, whose items are held out by their hash.",
    )
    patience: int = Field(
        3,
        ge=0,
        le=10_000,
        json_schema_extra=_chosen_by_text,
        description="Stop after this many epochs without a better loss; 0 never stops. Without a time limit 3.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Number format. auto: bfloat16 where the processor supports it, and 8 bits in recurrent products "
        "where these are faster; else float32.",
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
