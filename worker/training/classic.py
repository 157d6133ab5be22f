"""The seed document's recipe: windows of characters read as numbers, one target per window, summed cross-entropy.

Knows one batch at a time; the loop is in trainer.py.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from shared.requests.options import ClassicRequest
from worker.nn.model import CharLSTM
from worker.training.data import Codes, Windows

#: An evaluation batch costs this share of a training batch (44 of 199 ms, design measurement on the book).
EVALUATION_COST = 0.22


class Classic:
    """Training and evaluation batches over every window of a text.

    Source: the seed document, after "Text Generation With LSTM in PyTorch", machinelearningmastery.com.
    """

    evaluation_cost = EVALUATION_COST
    #: The learning rate is constant, and an epoch's evaluation is also reported as a sum, as the seed document does.
    decays, reports_sums = False, True

    def __init__(self, request: ClassicRequest, model: CharLSTM, codes: Codes, *, seed: int, bfloat16: bool) -> None:
        self._model, self._bfloat16 = model, bfloat16
        #: The training part and the validation part; the windows that are evaluated are those of the training.
        self.parts: tuple[Codes, list[Codes]] = codes, []
        self._windows = Windows(codes, seq_length=request.seq_length, batch_size=request.batch_size, seed=seed)
        self.batches = self.evaluation_batches = self._windows.batches

    def decays_at(self, _step: int, _total_steps: int) -> bool:
        """Return True if the learning rate decays from this step on: never."""
        return False

    def rate_factor(self, _step: int, _total_steps: int, _decay: float) -> float:
        """Return the factor of the learning rate in this step: 1."""
        return 1.0

    def output_factor(self, _epoch: int) -> float:
        """Return the output layer's learning rate, as a multiple of the others': 1."""
        return 1.0

    def train_batch(self, epoch: int, batch: int) -> Iterator[tuple[float, int]]:
        """Compute the gradients of one batch; yield its summed loss in nats and its targets."""
        windows, targets = self._windows.training(epoch, batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            logits = self._model.last(windows)
        loss = functional.cross_entropy(logits.float(), targets, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call]
        yield float(loss.detach()), len(targets)

    def evaluate_batch(self, batch: int) -> tuple[float, int]:
        """Return the summed loss of one batch of windows, in the text's order, and its targets."""
        windows, targets = self._windows.evaluation(batch)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            logits = self._model.last(windows)
        loss = functional.cross_entropy(logits.float(), targets, reduction="sum")
        return float(loss), len(targets)

    def begin_epoch(self) -> None:
        """Reset what is carried from batch to batch: nothing here."""

    begin_evaluation = begin_epoch

    def carried(self) -> dict[str, Tensor]:
        """Return what is carried from batch to batch: nothing here."""
        return {}

    def load_carried(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `carried` returned: nothing here."""
