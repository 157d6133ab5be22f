"""Rows of losses and samples, measured and written while a model is trained; in files, one JSON object per line.

A file may be untrusted. It is read line by line, so that neither a row nor their number can fill the memory.
"""

from dataclasses import dataclass
from typing import Annotated, BinaryIO, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

#: A number to compute and draw with: finite, and so are sums and differences of several.
Number = Annotated[float, Field(strict=True, ge=-1e30, le=1e30, allow_inf_nan=False)]
#: A count that JavaScript can hold too.
Count = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]
#: Epoch 0: a model to start from, before the first step.
Epoch = Annotated[int, Field(strict=True, ge=0, le=2**53 - 1)]

#: Rows that a file may have: a training of 10,000 epochs measures 10,100 losses and keeps MAX_SAMPLES samples.
MAX_METRICS, MAX_SAMPLES = 20_000, 200
#: Bytes of a line: 10,000 characters of a sample and its prompt, escaped, at most 12 bytes each.
MAX_LINE_BYTES = 1 << 18


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One row of the losses measured, all mean nats per character but the last."""

    step: Count
    epoch: Epoch
    #: Computing seconds since the training began, over all its attempts.
    seconds: Number
    train_loss: Number | None = None
    validation_loss: Number | None = None
    #: Over all windows, after an epoch (classic), and the sum that the seed document prints.
    evaluation_loss: Number | None = None
    evaluation_sum: Number | None = None


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """What the model wrote after an epoch."""

    step: Count
    epoch: Epoch
    text: str
    prompt: str
    temperature: Number


@dataclass(frozen=True, kw_only=True)
class NGram:
    """The loss of an n-gram model: `order` - 1 characters predict the next one."""

    order: Count
    loss: Number


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """Losses on the validation part that need no network, mean nats per character."""

    #: By the characters' frequencies in the training part.
    unigram: Number
    #: By an interpolated Kneser-Ney model of the training part.
    ngram: NGram
    #: What the validation part adds to the training part's size under xz.
    xz: Number


@dataclass(frozen=True, kw_only=True)
class ModelLosses:
    """Losses of the best epoch, mean nats per character; `validation` is classic's evaluation; None: not measured."""

    train: Number | None = None
    validation: Number | None = None
    best_epoch: Epoch | None = None
    baselines: Baselines | None = None


Row = TypeVar("Row", MetricRow, SampleRow)

METRICS: TypeAdapter[MetricRow] = TypeAdapter(MetricRow)
SAMPLES: TypeAdapter[SampleRow] = TypeAdapter(SampleRow)
BASELINES: TypeAdapter[Baselines] = TypeAdapter(Baselines)


def read_rows(file: BinaryIO, kind: TypeAdapter[Row], *, max_rows: int) -> list[Row]:
    """Read a file of rows. Fields that a newer version has added are ignored.

    Args:
        file: JSON Lines: a JSON object per line.
        kind: METRICS or SAMPLES.
        max_rows: rows that the file may have.

    Raises:
        ValueError: a row is not of this type, or there are too many; says which line and why.
    """
    rows: list[Row] = []
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"line {len(rows) + 1} has more than {MAX_LINE_BYTES:,} bytes")
        if len(rows) == max_rows:
            raise ValueError(f"there are more than {max_rows:,} lines")
        try:
            rows.append(kind.validate_json(line))
        except ValidationError as exc:
            raise ValueError(f"line {len(rows) + 1}: {first_error(exc)}") from exc
    return rows


def first_error(error: ValidationError) -> str:
    """Describe the first error of a validation, without the wrong value: it may be long."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
