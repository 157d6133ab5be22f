"""The options of jobs. Their meaning, limits and defaults are the server's: see `/api/docs` of a running service.

`tests/client/test_options.py` compares names and types with the server's own.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Required, TypedDict

from charloom.values import Priority, Recipe, WebhookEvent


class Webhook(TypedDict, total=False):
    """A URL to which the service posts what happens to a job."""

    url: Required[str]
    #: Which events; the three ends of a job if left out.
    events: Sequence[WebhookEvent]
    #: Signs the messages; the service's own secret if left out.
    secret: str


class ItemsOption(TypedDict):
    """How the items of a list are separated."""

    separator: str


class TrainOptions(TypedDict, total=False):
    """The options of a training."""

    #: None: not a list.
    items: ItemsOption | None
    name: str
    recipe: Recipe
    lowercase: bool
    seq_length: int
    hidden_size: int
    layers: int
    embedding_size: int
    dropout: float
    weight_dropout: float
    dropout_epochs: int
    seq_length_warmup: int
    output_learning_rate_factor: float
    batch_size: int
    epochs: int
    max_seconds: float
    learning_rate: float
    grad_clip: float
    validation_fraction: float
    validation: Literal["tail", "spread"]
    patience: int
    precision: Literal["auto", "float32", "bfloat16"]
    sample_chars: int
    checkpoint_seconds: float
    seed: int
    priority: Priority
    webhook: Webhook
    metadata: Mapping[str, str]


class WriteItems(TypedDict, total=False):
    """Whole items of a list, instead of one text."""

    count: Required[int]
    unique: bool
    new: bool
    min_chars: int
    max_chars: int
    separator: str


class GenerateOptions(TypedDict, total=False):
    """The options of a generation."""

    prompt: str
    length: int
    temperature: float
    top_k: int
    top_p: float
    max_run: int
    stop: Sequence[str]
    n: int
    items: WriteItems
    seed: int
    priority: Priority
    unknown_chars: Literal["error", "drop"]
    metadata: Mapping[str, str]
