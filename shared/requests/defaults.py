"""Chooses options of `stream` that were left out, by the text's length, the time limit and the workers' speed.

Found by search over several texts and budgets: docs/adr/0013-defaults-by-search.md, docs/adr/0039-defaults-by-speed.md.
The choice is made when a job is submitted, and is part of it: wherever it runs, it is the same model.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.requests.estimate import Speed, speedup, step_seconds
from shared.requests.flops import flops, optimizer_flops
from shared.requests.options import AUTO, RATE_FROM_MODEL, RATE_ON_SHORT_TEXT, StreamRequest

#: Widths, and how many steps there must be time for to choose each. Of two models that train for the same time, the
#: wider one is better from there on.
MIN_STEPS: Mapping[int, int] = {128: 0, 256: 330, 384: 500, 512: 850, 768: 1500, 1024: 1900}
#: Most recurrent weights per character of the text: with more, a model is no better however long it trains.
MAX_WEIGHTS = 20
#: Epochs with a time limit: this multiple of those that are expected to fit, since the time ends the training anyway,
#: within these bounds; with more steps than the last a text is only memorized.
EPOCHS_FACTOR, MIN_EPOCHS, MAX_EPOCHS, MAX_STEPS = 3, 10, 48, 3200
#: Epochs from a model on a text with fewer characters than the model has recurrent weights (more weights per character
#: than these): with more of them, as with a higher learning rate, it unlearns as much as it learns (ADR 40).
EPOCHS_FROM_MODEL, FEW_WEIGHTS = 5, 1.0
#: The speed of a thread as a choice counts it, operations a second: this one halved, once or several times. Rounded so,
#: measurements that differ a little choose the same. What is faster counts as this, some two thirds of a core with AMX.
FASTEST_FLOPS, MAX_HALVINGS = 300e9, 5
#: Dropout rises from 0 for this share of the expected epochs: where the time ends sooner, on a slower host, it is still
#: low then (bench/LOG.md). It depends on the epoch alone, not on the time that has passed.
#: From a model, which has learned already, it rises four times as slowly (ADR 39).
DROPOUT_RISE, DROPOUT_RISE_FROM_MODEL = 0.5, 2.0
#: Up to this width the first epoch has two steps a batch, each on half of seq_length: it learns most from more steps.
#: Beyond it, and with more of them, Muon takes more time than they are worth (ADR 37).
WARMUP_EPOCHS, MAX_WARMUP_WIDTH = 1, 512
#: The output layer of a new model learns this many times faster at first: a wider one less, since a step of the same
#: size changes its logits more; from this width on not at all (ADR 38).
MAX_OUTPUT_FACTOR, EVEN_OUTPUT_WIDTH = 4.0, 1024
#: While the learning rate is high a loss may not improve for some epochs, and falls when the rate does.
PATIENCE = 10
#: Fewest steps of an epoch: batches are made smaller for that, since few large steps train little.
STEPS_AN_EPOCH = 64
#: A step of fewer rows counts as one of so many: it takes nearly as long with AMX, and elsewhere teaches less.
FULL_ROWS = 16
#: A base is chosen up to this multiple of its width: where there is time for a wider model, that one learns more.
MAX_BASE_FACTOR = 1.5


@dataclass(frozen=True)
class Host:
    """What a choice assumes of the host that trains."""

    #: Of one thread.
    flops_per_second: float
    #: Most threads.
    threads: int

    @classmethod
    def of(cls, speeds: Sequence[Speed], request: StreamRequest) -> "Host":
        """Return the slowest of these workers, rounded, in trainings of this precision."""
        typical = request.model_copy(update=_TYPICAL)
        work = flops(typical, 0) + optimizer_flops(typical)
        hosts = [
            cls(_rounded(work / step_seconds(typical, _TYPICAL_CHARS, 0, speed)), speed.threads) for speed in speeds
        ]
        return min(hosts, key=lambda host: host.flops_per_second * host.threads, default=UNMEASURED)


def _rounded(flops_per_second: float) -> float:
    halvings = round(math.log2(FASTEST_FLOPS / flops_per_second))
    return math.ldexp(FASTEST_FLOPS, -min(MAX_HALVINGS, max(0, halvings)))


#: Where no worker has measured itself yet: two cores with AVX2.
UNMEASURED = Host(FASTEST_FLOPS / 4, threads=2)
#: A training by which speeds are compared: one thread's, of a common width.
_TYPICAL: Mapping[str, int] = {"hidden_size": 256, "layers": 1, "batch_size": 16, "seq_length": 128}
_TYPICAL_CHARS = 1_000_000


def chosen(request: StreamRequest, *, chars: int, speeds: Sequence[Speed] = ()) -> Mapping[str, Any]:
    """Return the options that were left out and depend on text, time and speed.

    Arguments:
        request: as it was sent.
        chars: length of the training part.
        speeds: what the workers have measured of themselves.
    """
    given = request.model_fields_set
    is_new = request.init_from in (None, AUTO)
    found: dict[str, Any] = {}
    width, expected = request.hidden_size, math.inf
    if request.max_seconds is not None:
        host = Host.of(speeds, request)
        if "hidden_size" not in given:
            width = _width(request, chars, host)
        an_epoch = _steps_an_epoch(request, chars)
        expected = _steps(request, width, chars, host) / an_epoch
        epochs = round(max(MIN_EPOCHS, min(MAX_EPOCHS, MAX_STEPS / an_epoch, EPOCHS_FACTOR * expected)))
        found = {"hidden_size": width, "epochs": epochs, "patience": PATIENCE}
    weights = 4 * width * width / chars
    if not is_new:
        found["learning_rate"] = RATE_FROM_MODEL
        if weights > FEW_WEIGHTS:
            found |= {"epochs": EPOCHS_FROM_MODEL, "learning_rate": RATE_ON_SHORT_TEXT}
    epochs_made = min(expected, request.epochs if "epochs" in given else found.get("epochs", request.epochs))
    found |= {"dropout": _dropout(epochs_made, weights), "weight_dropout": _weight_dropout(epochs_made, weights)}
    if given.isdisjoint(("dropout", "weight_dropout")):
        rise = DROPOUT_RISE if is_new else DROPOUT_RISE_FROM_MODEL
        found["dropout_epochs"] = max(1, round(rise * epochs_made))
    if "seq_length" not in given and width <= MAX_WARMUP_WIDTH:
        found["seq_length_warmup"] = WARMUP_EPOCHS
    if is_new:
        found["output_learning_rate_factor"] = _output_factor(width)
    return {name: value for name, value in found.items() if name not in given}


def _width(request: StreamRequest, chars: int, host: Host) -> int:
    return max(
        width
        for width, least in MIN_STEPS.items()
        if width == min(MIN_STEPS)
        or (_steps(request, width, chars, host) >= least and 4 * width * width <= MAX_WEIGHTS * chars)
    )


def _steps(request: StreamRequest, width: int, chars: int, host: Host) -> float:
    """Return how many steps there is time for."""
    as_wide = request.model_copy(update={"hidden_size": width, "batch_size": 1, "seq_length": 1})
    positions = chars / _steps_an_epoch(request, chars)
    rows = positions / request.seq_length
    filled = positions * max(1.0, FULL_ROWS / rows)
    # The output layer is left out: the vocabulary isn't known here, and matters little.
    rate = host.flops_per_second * speedup(round(rows), threads=host.threads)
    seconds = (filled * flops(as_wide, 0) + optimizer_flops(as_wide)) / rate
    return (request.max_seconds or math.inf) / seconds


def _steps_an_epoch(request: StreamRequest, chars: int) -> float:
    return max(STEPS_AN_EPOCH, chars / (request.batch_size * request.seq_length))


def _output_factor(width: int) -> float:
    """Return the output layer's learning rate, as a multiple of the others'."""
    return round(min(MAX_OUTPUT_FACTOR, max(1.0, EVEN_OUTPUT_WIDTH / width)), 2)


def _dropout(epochs_made: float, weights: float) -> float:
    """Return the dropout of units: it grows with the epochs and with the weights per character."""
    return min(0.35, round(0.05 + 0.015 * epochs_made + 0.02 * weights, 2))


def _weight_dropout(epochs_made: float, weights: float) -> float:
    """Return the dropout of recurrent weights: none for few epochs, which it would only weaken."""
    return min(0.35, max(0.0, round(0.02 * (epochs_made - 8) + 0.03 * max(0.0, weights - 1), 2)))
