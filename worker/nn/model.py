"""The network of both recipes: an LSTM over characters and a linear layer onto the vocabulary. Knows no training.

`classic` reads a character as one number, its index divided by the vocabulary's size, as the seed document does, and
its `state_dict` has the document's keys. `stream` embeds the character first.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.nn.dropout import NONE, Dropout
from worker.nn.fused import Carried, Fused
from worker.nn.kernel import Kernel
from worker.nn.output import compiled_loss, computes_loss


class CharLSTM(nn.Module):
    """An LSTM over characters.

    Arguments:
        vocab_size: V, distinct characters.
        hidden_size: H, width of each layer.
        layers: LSTM layers on top of one another.
        embedding_size: E, numbers that represent a character; 0 reads it as one number in 0..1 (classic).
        dropout: what is dropped while training: of the units of every layer, and of its recurrent weights.
    """

    def __init__(
        self,
        *,
        vocab_size: int,
        hidden_size: int,
        layers: int = 1,
        embedding_size: int = 0,
        dropout: Dropout = NONE,
    ) -> None:
        super().__init__()
        self.vocab_size, self.hidden_size, self.layers = vocab_size, hidden_size, layers
        self.embedding_size, self.dropout = embedding_size, dropout
        if embedding_size:
            self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.lstm = nn.LSTM(embedding_size or 1, hidden_size, layers, batch_first=True)
        self.linear = nn.Linear(hidden_size, vocab_size)
        self.fused: Fused | None = None

    def fuse(self, kernel: Kernel | None, *, bfloat16: bool, eight_bits: bool = False) -> None:
        """Compute with the kernel from now on if it supports this model, otherwise with torch's own LSTM.

        eight_bits: where the recurrent products would be in bfloat16, they are in eight bits if the kernel has these.
        """
        fits = kernel is not None and Fused.fits(kernel, self.lstm, bfloat16=bfloat16)
        self.fused = (
            Fused(kernel, self.lstm, self.read, self.vocab_size, eight_bits=eight_bits)
            if kernel is not None and fits
            else None
        )

    def use_threads(self, threads: int, *, positions: int, bfloat16: bool) -> int:
        """Compute with so many threads; return how many torch should use: few where the kernel computes nearly all.

        positions: of the shortest batch.
        """
        return self.fused.use_threads(threads, positions=positions, bfloat16=bfloat16) if self.fused else threads

    @property
    def kernel(self) -> Kernel | None:
        """What computes the steps instead of torch."""
        return self.fused.kernel if self.fused else None

    @property
    def computed_by(self) -> str:
        """The code that computes the steps. Other code can continue from a state, but its sums round differently."""
        return self.fused.name if self.fused else "nn.LSTM"

    def read(self, codes: Tensor | None) -> Tensor:
        """Turn characters, (B, T) int64, into the LSTM's inputs, (B, T, E) or (B, T, 1) float32.

        Without any, turn all V, in order: (V, E) or (V, 1).
        """
        if self.embedding_size:
            embedded: Tensor = self.embedding.weight if codes is None else self.embedding(codes)
            return embedded
        codes = torch.arange(self.vocab_size) if codes is None else codes
        return codes.unsqueeze(-1).to(torch.float32) / float(self.vocab_size)

    def forward(self, codes: Tensor, carried: Carried | None = None) -> tuple[Tensor, Carried]:
        """Return the logits after each character, (B, T, V), and the state to carry on; codes: (B, T) int64."""
        dropout = self.dropout if self.training else NONE
        outputs, carried = (self.fused or self._plain)(codes, carried, dropout)
        return self.linear(dropout.variational_dropout(outputs)).transpose(0, 1), carried

    def loss(self, codes: Tensor, targets: Tensor, carried: Carried | None = None) -> tuple[Tensor, Carried]:
        """Return the mean loss of predicting the targets, in nats, and the state to carry on; both (B, T) int64."""
        dropout, bfloat16 = self.dropout if self.training else NONE, torch.is_autocast_enabled("cpu")
        if self.fused is None or not computes_loss(self.fused.kernel, bfloat16=bfloat16):
            logits, carried = self(codes, carried)
            return functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten()), carried
        outputs, carried = self.fused(codes, carried, dropout)
        kept = dropout.kept_units(*outputs.shape[1:])
        return compiled_loss(self.fused.kernel, self.linear, outputs, targets, kept), carried

    def learn(self, codes: Tensor, targets: Tensor, carried: Carried | None = None) -> tuple[float, Carried]:
        """Leave the gradients of the mean loss in each weight's `grad`; return what `loss` does, the loss as a number.

        They replace others, and are valid until the next call.
        """
        if self.fused is not None and self.fused.learns(codes, bfloat16=torch.is_autocast_enabled("cpu")):
            return self.fused.learn(codes, targets, self.linear, carried, self.dropout if self.training else NONE)
        self.zero_grad()
        loss, (h, c) = self.loss(codes, targets, carried)
        with torch.autocast("cpu", enabled=False):
            loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach()), (h.detach().float(), c.detach().float())

    def last(self, codes: Tensor) -> Tensor:
        """Return the logits after the last character of windows that start from zero, (B, V); codes: (B, T) int64."""
        dropout = self.dropout if self.training else NONE
        output = self.fused.last(codes, dropout) if self.fused else self._plain(codes, None, dropout)[0][-1]
        # One position, so a unit is dropped for the whole sequence; drawn as the seed document's nn.Dropout does.
        logits: Tensor = self.linear(functional.dropout(output, dropout.units, self.training))
        return logits

    def _plain(self, codes: Tensor, carried: Carried | None, dropout: Dropout) -> tuple[Tensor, Carried]:
        """Do what `Fused` does by torch's own LSTM: h after each character, (T, B, H), and the state to carry on."""
        if dropout == NONE or (self.layers == 1 and not dropout.weights):
            outputs, carried = self.lstm(self.read(codes), carried)
            return outputs.transpose(0, 1), carried
        outputs = self.read(codes).transpose(0, 1)
        zeros = torch.zeros(self.layers, len(codes), self.hidden_size)
        before, after = carried or (zeros, zeros), []
        for number, (of_inputs, recurrent, *biases) in enumerate(self.lstm.all_weights):
            below = dropout.variational_dropout(outputs) if number else outputs
            begin = [part[number : number + 1] for part in before]
            weights = [of_inputs, dropout.drop_connect(recurrent), *biases]
            outputs, *ends = torch.lstm(below, begin, weights, True, 1, 0.0, False, False, False)
            after.append(ends)
        return outputs, (torch.cat([h for h, _ in after]), torch.cat([c for _, c in after]))

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights, float32, which later steps don't change."""
        return {name: value.detach().clone() for name, value in self.state_dict().items()}


def shapes(*, vocab_size: int, hidden_size: int, layers: int, embedding_size: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight by its name, without making any."""
    found: dict[str, tuple[int, ...]] = {"embedding.weight": (vocab_size, embedding_size)} if embedding_size else {}
    for layer in range(layers):
        width = hidden_size if layer else embedding_size or 1
        found[f"lstm.weight_ih_l{layer}"] = (4 * hidden_size, width)
        found[f"lstm.weight_hh_l{layer}"] = (4 * hidden_size, hidden_size)
        found[f"lstm.bias_ih_l{layer}"] = (4 * hidden_size,)
        found[f"lstm.bias_hh_l{layer}"] = (4 * hidden_size,)
    return found | {"linear.weight": (vocab_size, hidden_size), "linear.bias": (vocab_size,)}


def faults(weights: Mapping[str, object], wanted: Mapping[str, tuple[int, ...]]) -> str | None:
    """Return what is wrong with these weights, or None if each is present, finite, float32 and of the right shape."""
    if missing := sorted(wanted.keys() - weights.keys()):
        return f"{missing[0]} is missing"
    if extra := sorted(map(str, weights.keys() - wanted.keys())):
        return f"{extra[0][:100]!r} is not part of this model"
    for name, shape in wanted.items():
        value = weights[name]
        if not isinstance(value, Tensor):
            return f"{name} is not a tensor"
        if value.dtype != torch.float32 or value.layout != torch.strided or value.device.type != "cpu":
            return f"{name} holds {value.dtype}; float32 is needed"
        if tuple(value.shape) != shape:
            return f"{name} has the shape {tuple(value.shape)}; {shape} is needed"
        if not value.is_contiguous():
            return f"{name} is not laid out contiguously"
        if not bool(torch.isfinite(value).all()):
            return f"{name} holds NaN or an infinity"
    return None
