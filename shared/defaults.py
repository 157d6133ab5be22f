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
#: Widths to choose from: the largest for which there is time to pass over the text so often. Of two models that are
#: given the same time the wider one is better from there on.
LEAST_PASSES: Mapping[int, float] = {128: 0, 256: 2.5, 384: 4, 512: 7, 768: 10, 1024: 13}
#: Recurrent weights for each character of the text at most: beyond, a wider model is no better, however long it learns.
MOST_WEIGHTS = 16
#: With a time limit epochs are what the time allows, several times that of a counted-on worker, within these: more than
#: the least where weights are dropped, and the time ends the training.
LEAST_EPOCHS, MOST_EPOCHS, EPOCHS_A_PASS = 12, 48, 3
#: While the learning rate is high a loss may stand for some epochs and fall when the rate does.
PATIENCE = 10
#: From this width on, 32 readers of 128 characters: the products are large enough to be worth it. From the other one on
#: shorter chunks, so that a modest host is done with a batch in two seconds (fit.py).
WIDE, WIDE_READERS, WIDE_LENGTH = 384, 32, 128
WIDEST, WIDEST_LENGTH = 1024, 100
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
        passes = _passes(request, width, chars)
        if "epochs" in given:
            passes = min(passes, request.epochs)
        else:
            found["epochs"] = min(MOST_EPOCHS, max(LEAST_EPOCHS, math.ceil(EPOCHS_A_PASS * passes)))
        weights = 4 * width * width / chars
        found |= {"patience": PATIENCE, "dropout": _dropout(passes, weights)}
        found["weight_dropout"] = _weight_dropout(passes, weights)
    if width >= WIDE:
        found |= {"batch_size": WIDE_READERS, "seq_length": WIDE_LENGTH if width < WIDEST else WIDEST_LENGTH}
    found["learning_rate"] = round(RATE * min(1.0, RATE_WIDTH / width), 4)
    return {name: value for name, value in found.items() if name not in given}


def _passes(request: StreamRequest, width: int, chars: int) -> float:
    """Return how often there is time to read the text."""
    flops_per_char = 6.0 * 4 * width * (request.embedding_size + width + (request.layers - 1) * 2 * width)
    readers = max(1, chars // (STEPS_AN_EPOCH * (WIDE_LENGTH if width >= WIDE else request.seq_length)))
    used = min(1.0, readers / FULL_READERS)
    return (request.max_seconds or math.inf) * COUNTED_FLOPS * used / flops_per_char / chars


def _width(request: StreamRequest, chars: int) -> int:
    return max(
        width
        for width, least in LEAST_PASSES.items()
        if width == min(LEAST_PASSES)
        or (_passes(request, width, chars) >= least and 4 * width * width <= MOST_WEIGHTS * chars)
    )


def _dropout(passes: float, weights: float) -> float:
    """Return the share of units: more, the more often a text is read, and the more weights there are a character."""
    return min(0.4, round(0.05 + 0.015 * min(14.0, passes) + 0.025 * weights, 2))


def _weight_dropout(passes: float, weights: float) -> float:
    """Return the share of recurrent weights: none in a few passes, which it would only make less of."""
    return min(0.3, max(0.0, round(0.0125 * (passes - 4) + 0.01 * weights, 2)))
