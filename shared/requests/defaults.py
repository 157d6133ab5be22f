"""What `stream` takes for options that were left out, by the text's length and the time there is.

Found by search over three texts and three budgets; docs/adr/0013-defaults-by-search.md has the figures. The worker that
a job lands on has no part in it, so a request and a seed ask for the same model wherever they are sent.
"""

import math
from collections.abc import Mapping
from typing import Any

from shared.requests.flops import flops, optimizer_flops
from shared.requests.options import StreamRequest

#: What a training is counted on for, a second: some two thirds of what one core with AMX was measured at.
COUNTED_FLOPS = 300e9
#: Widths to choose from: the largest for which there is time for so many steps. Of two models that are given the same
#: time the wider one is better from there on.
MIN_STEPS: Mapping[int, int] = {128: 0, 256: 200, 384: 450, 512: 720, 768: 1050, 1024: 1300}
#: Recurrent weights for each character of the text at most: beyond, a wider model is no better, however long it learns.
MAX_WEIGHTS = 20
#: Epochs with a time limit: so many times what the time is counted on to allow, since the time ends the training too,
#: within these bounds and that of steps, beyond which a text is only learned by heart.
EPOCHS_A_PASS, MIN_EPOCHS, MAX_EPOCHS, MAX_STEPS = 3, 10, 48, 3200
#: A worker with AMX makes so many passes for each that is counted on, on one thread.
TRUE_PASSES = 1.5
#: While the learning rate is high a loss may stand for some epochs and fall when the rate does.
PATIENCE = 10
#: As few readers as leave an epoch so many steps: one of few steps learns little, however much each step holds.
STEPS_AN_EPOCH = 64
#: Fewer readers than this take as long as so many: the weights have to be fetched for each position all the same.
FULL_READERS = 16


def chosen(request: StreamRequest, *, chars: int) -> Mapping[str, Any]:
    """Return the options that were left out and depend on the text and the time; chars: those to learn from."""
    given = request.model_fields_set
    found: dict[str, Any] = {}
    width, passes = request.hidden_size, float(request.epochs)
    if request.max_seconds is not None:
        if "hidden_size" not in given:
            width = _width(request, chars)
        an_epoch = _steps_an_epoch(request, chars)
        counted = _steps(request, width, chars) / an_epoch
        epochs = round(max(MIN_EPOCHS, min(MAX_EPOCHS, MAX_STEPS / an_epoch, EPOCHS_A_PASS * counted)))
        passes = min(TRUE_PASSES * counted, request.epochs if "epochs" in given else epochs)
        found = {"hidden_size": width, "epochs": epochs, "patience": PATIENCE}
    weights = 4 * width * width / chars
    found |= {"dropout": _dropout(passes, weights), "weight_dropout": _weight_dropout(passes, weights)}
    return {name: value for name, value in found.items() if name not in given}


def _width(request: StreamRequest, chars: int) -> int:
    return max(
        width
        for width, least in MIN_STEPS.items()
        if width == min(MIN_STEPS)
        or (_steps(request, width, chars) >= least and 4 * width * width <= MAX_WEIGHTS * chars)
    )


def _steps(request: StreamRequest, width: int, chars: int) -> float:
    """Return how many steps there is time for."""
    as_wide = request.model_copy(update={"hidden_size": width, "batch_size": 1, "seq_length": 1})
    positions = chars / _steps_an_epoch(request, chars)
    readers = positions / request.seq_length
    filled = positions * max(1.0, FULL_READERS / readers)
    # The output layer is left out: a vocabulary isn't known here, and it counts for little.
    seconds = (filled * flops(as_wide, 0) + optimizer_flops(as_wide)) / COUNTED_FLOPS
    return (request.max_seconds or math.inf) / seconds


def _steps_an_epoch(request: StreamRequest, chars: int) -> float:
    return max(STEPS_AN_EPOCH, chars / (request.batch_size * request.seq_length))


def _dropout(passes: float, weights: float) -> float:
    """Return the share of units: more, the more often a text is read, and the more weights there are a character."""
    return min(0.35, round(0.05 + 0.015 * passes + 0.02 * weights, 2))


def _weight_dropout(passes: float, weights: float) -> float:
    """Return the share of recurrent weights: none in few passes, which it would only make less of."""
    return min(0.35, max(0.0, round(0.02 * (passes - 8) + 0.03 * max(0.0, weights - 1), 2)))
