"""What `stream` takes for options that were left out, by the text's length and the time there is.

Found by search over three texts and three budgets; docs/adr/0013-defaults-by-search.md has the figures. The worker that
a job lands on has no part in it, so a request and a seed ask for the same model wherever they are sent.
"""

import math
from collections.abc import Mapping
from typing import Any

from shared.requests import StreamRequest

#: What a training is counted on for, a second: some two thirds of what one core with AMX was measured at.
COUNTED_FLOPS = 300e9
#: Widths to choose from: the largest for which there is time for so many steps. Of two models that are given the same
#: time the wider one is better from there on.
LEAST_STEPS: Mapping[int, int] = {128: 0, 256: 200, 384: 500, 512: 1100, 768: 1350, 1024: 1600}
#: Recurrent weights for each character of the text at most: beyond, a wider model is no better, however long it learns.
MOST_WEIGHTS = 20
#: Epochs with a time limit: so many times what the time is counted on to allow, since the time ends the training too,
#: within these bounds and that of steps, beyond which a text is only learned by heart.
EPOCHS_A_PASS, LEAST_EPOCHS, MOST_EPOCHS, MOST_STEPS = 3, 10, 48, 2800
#: A worker with AMX makes so many passes for each that is counted on, on one thread.
TRUE_PASSES = 1.5
#: While the learning rate is high a loss may stand for some epochs and fall when the rate does.
PATIENCE = 10
#: From this width on, 32 readers of 128 characters: the products are large enough to be worth it. From the other one on
#: shorter chunks, so that a modest host is done with a batch in two seconds (fit.py).
WIDE, WIDE_READERS, WIDE_LENGTH = 384, 32, 128
WIDEST, WIDEST_LENGTH = 1024, 112
#: As few readers as leave an epoch so many steps: one of few steps learns little, however much each step holds.
STEPS_AN_EPOCH = 64
#: Fewer readers than this take as long as so many: the weights have to be fetched for each position all the same.
FULL_READERS = 16
#: The learning rate, 0.01, falls with the width beyond this one.
RATE, RATE_WIDTH = 1e-2, 384


def chosen(request: StreamRequest, *, chars: int) -> Mapping[str, Any]:
    """Return the options that were left out and depend on the time; chars: those to learn from."""
    given = request.model_fields_set
    width = request.hidden_size
    found: dict[str, Any] = {}
    if request.max_seconds is not None:
        if "hidden_size" not in given:
            width = _width(request, chars)
            found["hidden_size"] = width
        passes, weights = _passes(request, width, chars), 4 * width * width / chars
        an_epoch = _steps_an_epoch(request, width, chars)
        epochs = round(max(LEAST_EPOCHS, min(MOST_EPOCHS, MOST_STEPS / an_epoch, EPOCHS_A_PASS * passes)))
        found["epochs"] = epochs
        passes = min(passes, (request.epochs if "epochs" in given else epochs) / TRUE_PASSES)
        found |= {"patience": PATIENCE, "dropout": _dropout(passes, weights)}
        found["weight_dropout"] = _weight_dropout(passes, passes * an_epoch, weights)
    if width >= WIDE:
        found |= {"batch_size": WIDE_READERS, "seq_length": _length(request, width)}
    found["learning_rate"] = round(RATE * min(1.0, RATE_WIDTH / width), 4)
    return {name: value for name, value in found.items() if name not in given}


def _passes(request: StreamRequest, width: int, chars: int) -> float:
    """Return how often there is time to read the text."""
    flops_per_char = 6.0 * 4 * width * (request.embedding_size + width + (request.layers - 1) * 2 * width)
    readers = max(1, chars // (STEPS_AN_EPOCH * _length(request, width)))
    used = min(1.0, readers / FULL_READERS)
    return (request.max_seconds or math.inf) * COUNTED_FLOPS * used / flops_per_char / chars


def _width(request: StreamRequest, chars: int) -> int:
    return max(
        width
        for width, least in LEAST_STEPS.items()
        if width == min(LEAST_STEPS)
        or (
            _passes(request, width, chars) * _steps_an_epoch(request, width, chars) >= least
            and 4 * width * width <= MOST_WEIGHTS * chars
        )
    )


def _steps_an_epoch(request: StreamRequest, width: int, chars: int) -> float:
    wide = width >= WIDE and "batch_size" not in request.model_fields_set
    readers = WIDE_READERS if wide else request.batch_size
    return max(STEPS_AN_EPOCH, chars / (readers * _length(request, width)))


def _length(request: StreamRequest, width: int) -> int:
    """Return how many characters a reader reads in a step."""
    if width < WIDE or "seq_length" in request.model_fields_set:
        return request.seq_length
    return WIDE_LENGTH if width < WIDEST else WIDEST_LENGTH


def _dropout(passes: float, weights: float) -> float:
    """Return the share of units: more, the more often a text is read, and the more weights there are a character."""
    return min(0.4, round(0.1 + 0.02 * passes + 0.02 * weights, 2))


def _weight_dropout(passes: float, steps: float, weights: float) -> float:
    """Return the share of recurrent weights: none in few passes or few steps, which it would only make less of."""
    long = min(passes, steps / 200)
    return min(0.35, max(0.0, round(0.02 * (long - 4) + 0.015 * weights, 2)))
