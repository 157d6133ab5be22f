"""The seed document as a peer: its loop's seconds, and the measure that its recipe is judged by.

The loop itself is tests/worker/reference.py, against which the tests hold `classic` too.
"""

import itertools
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from shared.requests.options import ClassicRequest
from tests.worker.reference import DocumentModel, document_training
from worker.nn.model import CharLSTM
from worker.nn.randomness import Permutation, derive, seed_torch
from worker.training.data import Windows

WINDOW, HIDDEN, BATCH, EPOCHS = 100, 256, 128, 20
#: What the document's 20th epoch reaches on its own book, nats a character over all windows.
MARK = 1.865


def document_epochs(
    text: str, request: ClassicRequest, weights: Mapping[str, Tensor], *, threads: int
) -> tuple[list[float], dict[str, Tensor]]:
    """Train as the document does, from these weights, with `classic`'s windows and dropout; return sums and weights."""
    torch.set_num_threads(threads)
    count, seed = len(text) - request.seq_length, request.seed or 0
    key = derive(seed, "data")
    orders = [
        Permutation(count, derive(key, "windows", epoch))(np.arange(count)).tolist() for epoch in range(request.epochs)
    ]
    return document_training(
        text,
        weights=weights,
        seq_length=request.seq_length,
        hidden_size=request.hidden_size,
        batch_size=request.batch_size,
        orders=orders,
        seed_step=lambda step: seed_torch(seed, "step", step),
    )


@dataclass(frozen=True)
class Pace:
    """Seconds of one training batch and of one evaluation batch."""

    training: float
    evaluation: float

    def whole(self, chars: int) -> float:
        """Return the seconds of the document's 20 epochs over a text of so many characters."""
        return EPOCHS * -(-(chars - WINDOW) // BATCH) * (self.training + self.evaluation)


def pace(text: str, *, threads: int, batches: int = 6) -> Pace:
    """Let the document train for two short epochs, and take the times from when its steps begin."""
    torch.set_num_threads(threads)
    text = text[: WINDOW + BATCH * batches]
    began: list[float] = []
    order = range(BATCH * batches)
    model = DocumentModel(len(set(text.lower())), HIDDEN)
    document_training(
        text,
        weights=model.state_dict(),
        seq_length=WINDOW,
        hidden_size=HIDDEN,
        batch_size=BATCH,
        orders=[order, order],
        seed_step=lambda _: began.append(time.perf_counter()),
    )
    between = [after - before for before, after in itertools.pairwise(began)]
    evaluated = between.pop(batches - 1)  # from the first epoch's last step to the second's first
    training = statistics.median(between)
    return Pace(training, (evaluated - training) / batches)


def document_measure(model: CharLSTM, weights: Mapping[str, Tensor], windows: Windows, every: int) -> float:
    """Return the mean loss over every `every`-th window, of a model with these weights, nats a character."""
    model.load_state_dict(dict(weights))
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in range(windows.batches):
            inputs, targets = (part[::every] for part in windows.evaluation(batch))
            total += float(functional.cross_entropy(model.last(inputs), targets, reduction="sum"))
            count += len(targets)
    return total / count
