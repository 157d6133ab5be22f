"""The options of jobs, for those whose editor completes them. Their meaning, limits and defaults are the server's.

`tests/client/test_options.py` holds these names and types against the server's own (`shared/requests/options.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class TrainOptions(TypedDict, total=False):
    """What a training may be told; the server's page of the API says what each does."""

    name: str
    recipe: Literal["stream", "classic"]
    lowercase: bool
    seq_length: int
    hidden_size: int
    layers: int
    embedding_size: int
    dropout: float
    weight_dropout: float
    batch_size: int
    epochs: int
    max_seconds: float
    learning_rate: float
    grad_clip: float
    validation_fraction: float
    patience: int
    precision: Literal["auto", "float32", "bfloat16"]
    sample_chars: int
    checkpoint_seconds: float
    seed: int
    webhook: Mapping[str, Any]
    metadata: Mapping[str, str]


class GenerateOptions(TypedDict, total=False):
    """What a writing may be told."""

    prompt: str
    length: int
    temperature: float
    top_k: int
    top_p: float
    stop: Sequence[str]
    n: int
    seed: int
    unknown_chars: Literal["error", "drop"]
    metadata: Mapping[str, str]
