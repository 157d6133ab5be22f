"""How long a training will take, from the speeds that workers measure. Knows numbers only: no torch, no files.

A step takes a fixed time for each position of each layer, since the network reads one character after another, plus the
time of its arithmetic. Both are measured on the worker. Three weights say what counts as arithmetic other than the
products; they were fitted to 14 shapes from 16 to 512 units, both recipes, one thread: the estimates were 0.67 to 1.53
of the measured times.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from shared.requests.flops import flops, optimizer_flops, parameters, warmup_parts
from shared.requests.options import ClassicRequest, StreamRequest
from shared.requests.validation import validation_part

#: Arithmetic other than products: of a unit at one position (gates), of a parameter in one step (Adam); and how many
#: positions more a step costs than it has.
UNIT_FLOPS, PARAMETER_FLOPS, STEP_POSITIONS = 1600, 600, 50
#: A position that is only read, in one batch row, costs this share of one that is trained on.
READ_SHARE = 0.4
#: Batch rows for which another thread of the compiled layer pays (bench/LOG.md).
ROWS_A_THREAD = 16
#: What each thread after the first adds to the speed of one: measured on two (bench/LOG.md).
THREAD_GAIN = 0.75
#: Below this hidden_size "auto" means float32: the conversions cost more than bfloat16 saves (bench/LOG.md).
MIN_BFLOAT16_HIDDEN_SIZE = 128
#: A finished training moves the factor of its recipe by this share of the way, and never beyond these.
LEARNT_SHARE, MIN_FACTOR, MAX_FACTOR = 0.5, 0.1, 10.0

Training = ClassicRequest | StreamRequest


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast one training is on a worker."""

    #: Of one position of one layer, forward and backward, without its arithmetic.
    seconds_per_position: float
    #: Of one thread.
    flops_per_second: float
    #: The same by the fastest products that `precision` auto takes, bfloat16 or eight bits; 0 where float32's are.
    bfloat16_flops_per_second: float = 0.0
    #: Most threads of a training.
    threads: int = 1
    #: Time that finished trainings took, as a multiple of the estimate by the figures above, by recipe.
    factors: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, reported: Mapping[str, Any]) -> "Speed | None":
        """Parse what a worker reports; None where nothing is reported. Ignores what a newer version has added."""
        known = {name: reported[name] for name in cls.__dataclass_fields__ if name in reported}
        return cls(**known) if {"seconds_per_position", "flops_per_second"} <= known.keys() else None

    def as_json(self) -> Mapping[str, Any]:
        """Return what `of` parses: plain JSON values."""
        return asdict(self)

    def corrected(self, request: Training, *, chars: int, vocab_size: int, chars_per_second: float) -> "Speed":
        """Return the speed, corrected by a training that was measured at this speed."""
        uncorrected = replace(self, factors={})
        estimated = step_seconds(request, chars, vocab_size, uncorrected)
        ratio = work_of(request, chars).chars_per_step / chars_per_second / estimated
        former = self.factors.get(request.recipe)
        target = ratio if former is None else former ** (1 - LEARNT_SHARE) * ratio**LEARNT_SHARE
        return replace(self, factors={**self.factors, request.recipe: min(MAX_FACTOR, max(MIN_FACTOR, target))})


@dataclass(frozen=True, kw_only=True)
class Work:
    """The work of one epoch."""

    #: Training batches, the positions of each along the text, and the characters that it predicts.
    steps: int
    positions: int
    chars_per_step: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """How large a training is, and how long it takes."""

    parameters: int
    steps: int
    #: Of computing; None where no worker has reported its speed.
    seconds: float | None
    memory_bytes: int


def work_of(request: Training, chars: int) -> Work:
    """Return the work of one epoch over a text of this many characters, counted as `worker/training/data.py` does."""
    if isinstance(request, ClassicRequest):
        windows = max(1, chars - request.seq_length)
        steps = math.ceil(windows / request.batch_size)
        return Work(steps=steps, positions=request.seq_length, chars_per_step=windows / steps)
    share = max(1, validation_part(request, chars).trained // request.batch_size)
    steps = math.ceil(share / request.seq_length)
    positions = share // steps
    return Work(steps=steps, positions=positions, chars_per_step=positions * request.batch_size)


def threads_taken(batch_size: int, *, most: int) -> int:
    """Return on how many threads the compiled layer computes a batch."""
    return max(1, min(most, batch_size // ROWS_A_THREAD))


def speedup(batch_size: int, *, threads: int) -> float:
    """Return how many times faster a batch is computed on at most so many threads than on one."""
    return 1 + THREAD_GAIN * (threads_taken(batch_size, most=threads) - 1)


def takes_bfloat16(request: Training, *, has: bool) -> bool:
    """Resolve `precision` on a processor that has, or has not, bfloat16 products."""
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
    return _factor(request, speed) * (waiting + arithmetic / _batch_rate(request, speed))


def seconds(request: Training, chars: int, vocab_size: int, speed: Speed) -> float:
    """Return the computing seconds of a whole training, without regard to its time limit or an early end."""
    work = work_of(request, chars)
    step = step_seconds(request, chars, vocab_size, speed)
    one = request.model_copy(update={"batch_size": 1, "seq_length": 1})
    units = UNIT_FLOPS * request.layers * request.hidden_size
    arithmetic = (flops(one, vocab_size) + units) / _rate(request, speed)
    waiting = speed.seconds_per_position * request.layers
    read = READ_SHARE * _factor(request, speed) * (waiting + arithmetic)
    if isinstance(request, ClassicRequest):
        evaluation = READ_SHARE * step * work.steps
        sample = request.sample_chars * request.seq_length * read
    else:
        part = validation_part(request, chars)
        rows, positions = len(part.starts), part.lead + part.share
        evaluation = positions * READ_SHARE * _factor(request, speed) * (waiting + rows * arithmetic)
        sample = request.sample_chars * 2 * read
    return request.epochs * (work.steps * step + evaluation + sample) + _warmup_seconds(
        request, work, vocab_size, speed
    )


def _warmup_seconds(request: Training, work: Work, vocab_size: int, speed: Speed) -> float:
    """Return what the steps take that `seq_length_warmup` adds: they have no more positions."""
    if isinstance(request, ClassicRequest):
        return 0.0
    epochs = range(min(request.seq_length_warmup, request.epochs))
    more = work.steps * sum(warmup_parts(request.seq_length_warmup, epoch) - 1 for epoch in epochs)
    arithmetic = optimizer_flops(request) + PARAMETER_FLOPS * parameters(request, vocab_size)
    waiting = speed.seconds_per_position * STEP_POSITIONS
    return more * _factor(request, speed) * (waiting + arithmetic / _batch_rate(request, speed))


def _factor(request: Training, speed: Speed) -> float:
    return speed.factors.get(request.recipe, 1.0)


def _batch_rate(request: Training, speed: Speed) -> float:
    return speedup(request.batch_size, threads=speed.threads) * _rate(request, speed)


def _rate(request: Training, speed: Speed) -> float:
    faster = speed.bfloat16_flops_per_second
    return faster if faster and takes_bfloat16(request, has=True) else speed.flops_per_second


def estimate(request: Training, *, chars: int, vocab_size: int, memory_bytes: int, speeds: list[Speed]) -> Estimate:
    """Estimate a training on the slowest of these workers, so that it holds wherever the job runs.

    With `max_seconds` it ends then, and makes as many steps as fit. An early end can't be predicted.
    """
    steps = request.epochs * work_of(request, chars).steps
    whole = max((seconds(request, chars, vocab_size, speed) for speed in speeds), default=None)
    limit = request.max_seconds
    if whole is not None and limit is not None and whole > limit:
        steps, whole = max(1, int(steps * limit / whole)), limit
    return Estimate(parameters=parameters(request, vocab_size), steps=steps, seconds=whole, memory_bytes=memory_bytes)
