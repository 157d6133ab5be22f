"""How long a training will take, from the speeds that workers measure. Knows numbers only: no torch, no files.

A step takes a fixed time for each position of each layer, since the network reads one character after another, and the
time of its arithmetic. Both are measured on the worker. Three weights say what counts as arithmetic beside the
products; they were fitted to 14 shapes from 16 to 512 units, both recipes, one thread: foretold were 0.67 to 1.53 of
the times.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from shared.requests.flops import flops, optimizer_flops, parameters
from shared.requests.options import ClassicRequest, StreamRequest

#: Arithmetic beside the products: of a unit at one position (gates), of a parameter in one step (Adam); and the
#: positions that a step costs beside its own.
UNIT_FLOPS, PARAMETER_FLOPS, STEP_POSITIONS = 1600, 600, 50
#: A position that is only read, by one reader, costs this share of one that is learned from.
READ_SHARE = 0.4
#: `stream`'s validation part is read by up to so many readers side by side, each after so many characters before its
#: share.
MAX_READERS, WARM_UP_CHARS = 16, 500
#: Below this hidden_size "auto" doesn't take bfloat16: the conversions eat what it wins (bench/LOG.md).
MIN_BFLOAT16_HIDDEN_SIZE = 128
#: A finished training moves the factor of its recipe by this share of the way, and never beyond these.
LEARNT_SHARE, MIN_FACTOR, MAX_FACTOR = 0.5, 0.1, 10.0

Training = ClassicRequest | StreamRequest


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast one training goes on a worker."""

    #: Of one position of one layer, forward and backward, beside its arithmetic.
    seconds_per_position: float
    flops_per_second: float
    #: The same in bfloat16; 0 where the processor has none.
    bfloat16_flops_per_second: float = 0.0
    #: What finished trainings took, as a multiple of what the figures above foretold, by recipe.
    factors: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Speed | None":
        """Read what a worker tells, None where it tells nothing. What a newer version has added is passed over."""
        known = {name: told[name] for name in cls.__dataclass_fields__ if name in told}
        return cls(**known) if {"seconds_per_position", "flops_per_second"} <= known.keys() else None

    def as_json(self) -> Mapping[str, Any]:
        """Return what `of` reads: plain JSON values."""
        return asdict(self)

    def corrected(self, request: Training, *, chars: int, vocab_size: int, chars_per_second: float) -> "Speed":
        """Return the speed as a training that was seen to go this fast corrects it."""
        uncorrected = replace(self, factors={})
        foretold = step_seconds(request, chars, vocab_size, uncorrected)
        ratio = work_of(request, chars).chars_per_step / chars_per_second / foretold
        former = self.factors.get(request.recipe)
        wished = ratio if former is None else former ** (1 - LEARNT_SHARE) * ratio**LEARNT_SHARE
        return replace(self, factors={**self.factors, request.recipe: min(MAX_FACTOR, max(MIN_FACTOR, wished))})


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one epoch is."""

    #: Training batches, the positions of each along the text, and the characters that it learns to foretell.
    steps: int
    positions: int
    chars_per_step: float
    #: Characters that the evaluation reads one after another (stream), or windows that it reads side by side (classic).
    evaluated: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a training will be."""

    parameters: int
    steps: int
    #: Of computing; None where no worker has told its speed.
    seconds: float | None
    memory_bytes: int


def work_of(request: Training, chars: int) -> Work:
    """Return what one epoch over a text of so many characters is. Counted as `worker/training/data.py` cuts batches."""
    if request.kind.is_windowed:
        windows = max(1, chars - request.seq_length)
        steps = math.ceil(windows / request.batch_size)
        return Work(steps=steps, positions=request.seq_length, chars_per_step=windows / steps, evaluated=windows)
    evaluated = int(chars * request.validation_fraction)
    share = max(1, (chars - evaluated) // request.batch_size)
    steps = math.ceil(share / request.seq_length)
    positions = share // steps
    return Work(steps=steps, positions=positions, chars_per_step=positions * request.batch_size, evaluated=evaluated)


def validation_rows(kept: int, learnt: int) -> int:
    """Return how many readers share a validation part of so many characters that stands after so many others."""
    return max(1, min(MAX_READERS, kept // (4 * WARM_UP_CHARS), learnt // WARM_UP_CHARS))


def takes_bfloat16(request: Training, *, has: bool) -> bool:
    """Resolve `precision` on a processor that has bfloat16 products, or hasn't."""
    if request.precision == "auto":
        return has and request.hidden_size >= MIN_BFLOAT16_HIDDEN_SIZE
    return request.precision == "bfloat16"


def step_seconds(request: Training, chars: int, vocab_size: int, speed: Speed) -> float:
    """Return how long one training batch takes."""
    work = work_of(request, chars)
    as_cut = request.model_copy(update={"seq_length": work.positions})
    units = request.batch_size * work.positions * request.layers * request.hidden_size
    arithmetic = flops(as_cut, vocab_size) + optimizer_flops(request)
    arithmetic += UNIT_FLOPS * units + PARAMETER_FLOPS * parameters(request, vocab_size)
    waiting = speed.seconds_per_position * (request.layers * work.positions + STEP_POSITIONS)
    return _factor(request, speed) * (waiting + arithmetic / _rate(request, speed))


def seconds(request: Training, chars: int, vocab_size: int, speed: Speed) -> float:
    """Return the computing seconds of a whole training, its limit of time and an early end left out."""
    work = work_of(request, chars)
    step = step_seconds(request, chars, vocab_size, speed)
    one = request.model_copy(update={"batch_size": 1, "seq_length": 1})
    units = UNIT_FLOPS * request.layers * request.hidden_size
    arithmetic = (flops(one, vocab_size) + units) / _rate(request, speed)
    waiting = speed.seconds_per_position * request.layers
    read = READ_SHARE * _factor(request, speed) * (waiting + arithmetic)
    if request.kind.is_windowed:
        evaluation = READ_SHARE * step * work.steps
        sample = request.sample_chars * request.seq_length * read
    else:
        readers = validation_rows(work.evaluated, chars - work.evaluated)
        positions = work.evaluated / readers + (WARM_UP_CHARS if readers > 1 else 0)
        evaluation = positions * READ_SHARE * _factor(request, speed) * (waiting + readers * arithmetic)
        sample = request.sample_chars * 2 * read
    return request.epochs * (work.steps * step + evaluation + sample)


def _factor(request: Training, speed: Speed) -> float:
    return speed.factors.get(request.recipe, 1.0)


def _rate(request: Training, speed: Speed) -> float:
    faster = speed.bfloat16_flops_per_second
    return faster if faster and takes_bfloat16(request, has=True) else speed.flops_per_second


def estimate(request: Training, *, chars: int, vocab_size: int, memory_bytes: int, speeds: list[Speed]) -> Estimate:
    """Foretell a training on the slowest of these workers, so that it holds wherever the job lands.

    With `max_seconds` it ends then, and makes as many steps as fit. An early end can't be foreseen.
    """
    steps = request.epochs * work_of(request, chars).steps
    whole = max((seconds(request, chars, vocab_size, speed) for speed in speeds), default=None)
    limit = request.max_seconds
    if whole is not None and limit is not None and whole > limit:
        steps, whole = max(1, int(steps * limit / whole)), limit
    return Estimate(parameters=parameters(request, vocab_size), steps=steps, seconds=whole, memory_bytes=memory_bytes)
