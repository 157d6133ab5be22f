"""The default recipe: every position is a target, and the state is carried from chunk to chunk.

Truncated backpropagation through time (Williams and Peng, 1990) as char-rnn does it, a learning rate that warms up and
then decays linearly, and a validation part that is read in order. In the first epochs a batch is cut into shorter ones,
with a step each (`seq_length_warmup`). Knows one batch at a time; the loop is in trainer.py.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from shared.requests.flops import warmup_parts
from shared.requests.options import StreamRequest
from worker.nn.fused import Carried
from worker.nn.model import CharLSTM
from worker.training.data import Codes, Continuation
from worker.training.lists import Listing, cut

#: The learning rate rises for this share of the steps, at most that many, and decays to this share of its peak.
WARM_UP_SHARE, WARM_UP_STEPS, LAST_RATE = 0.1, 100, 0.01
#: Characters of the validation part read in one batch: some milliseconds.
EVALUATION_LENGTH = 2000
#: A character that is only read costs about this many characters of a training batch, forward and backward.
EVALUATION_COST = 0.4


class Stream:
    """Training batches over one part of a text or of a list's items, evaluation batches over the other."""

    #: The learning rate decays until the last step, and losses are reported as means.
    decays, reports_sums = True, False

    def __init__(
        self,
        request: StreamRequest,
        model: CharLSTM,
        codes: Codes,
        *,
        seed: int,
        bfloat16: bool,
        listing: Listing | None = None,
    ) -> None:
        self._model, self._bfloat16 = model, bfloat16
        parts = cut(codes, listing, request, seed=seed)
        self._chunks = parts.chunks
        #: The training part, of a long text only some of it, and the validation part.
        self.parts = parts.training, parts.validation
        self._validation = Continuation(parts.read, parts.part, length=EVALUATION_LENGTH)
        validation_chars = parts.part.count
        self.batches, self.evaluation_batches = self._chunks.batches, self._validation.batches
        per_batch = self._chunks.characters / self.batches
        self.evaluation_cost = EVALUATION_COST * min(EVALUATION_LENGTH, max(1, validation_chars)) / per_batch
        self._max_warm_up = max(1, min(WARM_UP_STEPS, round(WARM_UP_SHARE * self.batches * request.epochs)))
        self._dropout, self._dropout_epochs = model.dropout, request.dropout_epochs
        self._warmup_epochs = request.seq_length_warmup
        self._output_factor = request.output_learning_rate_factor
        self._carried: Carried | None = None

    def decays_at(self, step: int, total_steps: int) -> bool:
        """Return True if the warm-up is over at this step, counted from 0."""
        return step >= self._warm_up(total_steps)

    def rate_factor(self, step: int, total_steps: int, decay: float) -> float:
        """Return the factor of the learning rate in this step; `decay`: the fraction of the decay left, 1 to 0."""
        if not self.decays_at(step, total_steps):
            return (step + 1) / (self._warm_up(total_steps) + 1)
        return LAST_RATE + (1 - LAST_RATE) * decay

    def output_factor(self, epoch: int) -> float:
        """Return the output layer's learning rate in this epoch, from 0, as a multiple of the others'."""
        return 1 + (self._output_factor - 1) / (epoch + 1)

    def _warm_up(self, total_steps: int) -> int:
        return min(self._max_warm_up, max(1, round(WARM_UP_SHARE * total_steps)))

    def train_batch(self, epoch: int, batch: int) -> Iterator[tuple[float, int]]:
        """Compute the gradients of one chunk, or of each part of it; yield their summed loss in nats and their targets.

        The weights may be changed after each.
        """
        codes, targets = self._chunks.training(epoch, batch)
        if self._dropout_epochs:
            self._model.dropout = self._dropout.scaled(min(1.0, epoch / self._dropout_epochs))
        if self._carried is not None and (begins := self._chunks.begins(epoch, batch)) is not None:
            for part in self._carried:
                part[:, torch.from_numpy(begins)] = 0.0
        length = -(-codes.shape[1] // warmup_parts(self._warmup_epochs, epoch))
        for some, following in zip(torch.split(codes, length, 1), torch.split(targets, length, 1), strict=True):
            yield self._gradients(some, following)

    def _gradients(self, codes: Tensor, targets: Tensor) -> tuple[float, int]:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            loss, self._carried = self._model.learn(codes, targets, self._carried)
        return loss * targets.numel(), targets.numel()

    def evaluate_batch(self, batch: int) -> tuple[float, int]:
        """Return the summed loss over one chunk of the validation part and its targets."""
        codes, targets = self._validation.evaluation(batch)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self._bfloat16):
            logits, carried = self._model(codes, self._carried)
        self._carried = (carried[0].float(), carried[1].float())
        if self._validation.leads(batch):
            if self._validation.first_from_zero:
                for part in self._carried:
                    part[:, 0] = 0.0
            return 0.0, 0
        loss = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="sum")
        return float(loss), int((targets >= 0).sum())

    def begin_epoch(self) -> None:
        """Reset the carried state: the next chunk starts from zeros."""
        self._carried = None

    begin_evaluation = begin_epoch

    def carried(self) -> dict[str, Tensor]:
        """Return a copy of the state carried from chunk to chunk: h and c, each (layers, B, H)."""
        return {} if self._carried is None else dict(zip("hc", (t.clone() for t in self._carried), strict=True))

    def load_carried(self, tensors: dict[str, Tensor]) -> None:
        """Restore what `carried` returned."""
        self._carried = (tensors["h"], tensors["c"]) if tensors else None
