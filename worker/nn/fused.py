"""The layers of an nn.LSTM computed by the compiled kernel (worker/nn/kernel), with their gradients. Knows no text.

The input of the first layer depends only on the character. So its input product is a table with a row for each
character, and that table's gradient is summed by character instead of being computed at every position.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.nn.dropout import NONE, Dropout
from worker.nn.kernel import UNITS, Kernel
from worker.nn.kernel.structures import Kind
from worker.nn.layer import Layer, Table
from worker.nn.output import Output, computes_loss

#: The state of an LSTM that is carried: (h, c), each (layers, B, H) float32.
Carried = tuple[Tensor, Tensor]
#: The table is used if it has at most this many rows per position.
_TABLE_SHARE = 0.5
#: Kinds whose sums are rounded in another way than in the first states that name them, and how often that changed.
_CHANGES = {Kind.FLOAT32: 2, Kind.BFLOAT16: 3, Kind.BFLOAT16_TILES: 1}
#: Families whose names aren't in that of the code.
_NAMELESS = ("amx", "bf16", "avx512")


class _Outputs(NamedTuple):
    """Of one layer."""

    h: Tensor  # (T, B, H) in the kind's dtype: a view of its arrays, which the next pass overwrites
    last_h: Tensor  # (B, H) float32
    last_c: Tensor  # (B, H) float32


class Fused:
    """Computes the layers of a module whose first layer reads characters.

    Only one pass with gradients at a time: the next one uses its arrays again.

    Args:
        kernel: the compiled layer.
        module: holds the weights. Its hidden_size must be a multiple of `UNITS`.
        read: turns characters, int64 of any shape, into inputs of the first layer, with one dimension more; without
            any, all V in order.
        vocab_size: V, distinct characters.
        eight_bits: where recurrent products would be in bfloat16, they are in eight bits if the kernel has these.
    """

    def __init__(
        self,
        kernel: Kernel,
        module: nn.LSTM,
        read: Callable[[Tensor | None], Tensor],
        vocab_size: int,
        *,
        eight_bits: bool = False,
    ) -> None:
        self.kernel, self._module, self._read, self._vocab_size = kernel, module, read, vocab_size
        #: Kind of the recurrent products under autocast, and else: a kernel may have eight bits without bfloat16.
        self._autocast_kind = Kind.EIGHT_BITS if eight_bits and kernel.eight_bits else kernel.bfloat16
        self._kind = Kind.FLOAT32 if kernel.bfloat16 or self._autocast_kind is None else self._autocast_kind
        self._layers: dict[tuple[int, bool], Layer] = {}

    @staticmethod
    def fits(kernel: Kernel, module: nn.LSTM, *, bfloat16: bool) -> bool:
        """Return True if the kernel supports such layers and such products."""
        return module.hidden_size % UNITS == 0 and not (bfloat16 and kernel.bfloat16 is None)

    def use_threads(self, threads: int, *, positions: int, bfloat16: bool) -> int:
        """Compute with so many threads from now on; return how many torch should use beside them.

        One, if what is left to torch is small: to wake its threads for that takes longer than they save.
        """
        self.kernel = self.kernel.with_threads(threads)
        all_but_little = self._module.num_layers == 1 and self._vocab_size <= _TABLE_SHARE * positions
        return 1 if all_but_little and computes_loss(self.kernel, bfloat16=bfloat16) else threads

    @property
    def name(self) -> str:
        """The code that computes the steps, as stored in a training's state."""
        kind, family = self._autocast_kind or Kind.FLOAT32, self.kernel.family
        # States from before the layer was compiled for others have no name of a processor.
        name = f"lstm.c, {kind.name.lower()}" + ("" if family.name in _NAMELESS else f", {family.name}")
        return name + (f", change {_CHANGES[kind]}" if kind in _CHANGES else "")

    def __call__(self, codes: Tensor, carried: Carried | None, dropout: Dropout = NONE) -> tuple[Tensor, Carried]:
        """Return h after each character, (T, B, H), valid until the next call, and the state to carry.

        codes: (B, T) int64. Under autocast the products, and h, are bfloat16.
        """
        passed = self._pass(codes, carried, dropout)
        last = (torch.stack([layer.last_h for layer in passed]), torch.stack([layer.last_c for layer in passed]))
        return passed[-1].h, last

    def last(self, codes: Tensor, dropout: Dropout = NONE) -> Tensor:
        """Return h after the last character of windows that start from zero, (B, H) float32; codes: (B, T) int64."""
        return self._pass(codes, None, dropout)[-1].last_h

    def learns(self, codes: Tensor, *, bfloat16: bool) -> bool:
        """Return True if `learn` supports such batches."""
        table = self._module.num_layers == 1 and self._takes_table(codes)
        return table and computes_loss(self.kernel, bfloat16=bfloat16)

    @torch.no_grad()
    def learn(
        self, codes: Tensor, targets: Tensor, linear: nn.Linear, carried: Carried | None, dropout: Dropout = NONE
    ) -> tuple[float, Carried]:
        """Return the mean loss over all positions, in nats, and the state to carry, and leave the gradients in `grad`.

        The same gradients as by autograd, which at every step takes a twentieth of the time to record what to compute.
        They are valid until the next call. Gradients that are there are replaced.

        Args:
            codes: (B, T) int64.
            targets: (B, T) int64.
            linear: from the units onto the vocabulary.
            carried: the state that the batch begins with.
            dropout: what is left out.
        """
        weight, table = self._weights(0)
        layer = self._begin(0, codes, carried, dropout, learns=True)
        h, forward = layer.forward(weight, table, self._index(codes))
        output = Output(self.kernel, h, linear, targets, dropout.kept_units(*h.shape[1:]))
        found, backward = layer.backward(output.h_grads, None, characters=True)
        self.kernel.run(*forward, *output.tasks, *backward)
        weight.grad = found.recurrent_weight
        table.characters.grad, table.weight.grad = found.characters, found.input_weight
        table.input_bias.grad = table.recurrent_bias.grad = found.bias
        linear.weight.grad, linear.bias.grad = output.weight_grads, output.bias_grads
        last_h, last_c = layer.last()
        return output.loss(), (last_h[None], last_c[None])

    def _pass(self, codes: Tensor, carried: Carried | None, dropout: Dropout) -> list[_Outputs]:
        passed: list[_Outputs] = []
        for number in range(self._module.num_layers):
            layer = self._begin(number, codes, carried, dropout, learns=torch.is_grad_enabled())
            weight, table = self._weights(number)
            index, inputs = None, tuple(table)
            if number:
                inputs = (self._input_sums(dropout.variational_dropout(passed[-1].h).flatten(0, 1), table),)
            elif self._takes_table(codes):
                index = self._index(codes)
            else:
                inputs = (self._input_sums(self._read(codes.t()).flatten(0, 1), table),)
            passed.append(_Outputs(*_Recorded.apply(layer, index, weight, *inputs)))  # type: ignore[no-untyped-call]
        return passed

    def _takes_table(self, codes: Tensor) -> bool:
        return self._vocab_size <= _TABLE_SHARE * codes.numel()

    @staticmethod
    def _index(codes: Tensor) -> Tensor:
        return codes.t().to(torch.int32).contiguous()

    def _weights(self, number: int) -> tuple[Tensor, Table]:
        """Return a layer's recurrent weights, and what makes its inputs to the gate sums, of all characters."""
        of_inputs, recurrent, *biases = self._module.all_weights[number]
        return recurrent, Table(self._read(None), of_inputs, *biases)

    def _begin(self, number: int, codes: Tensor, carried: Carried | None, dropout: Dropout, *, learns: bool) -> Layer:
        """Return a layer that is ready for a pass, that of the last one if it has the same shape."""
        kind = self._kind
        if torch.is_autocast_enabled("cpu"):
            if self._autocast_kind is None:
                raise ValueError("the kernel has no bfloat16 products here")
            kind = self._autocast_kind
        shape = (codes.shape[1], codes.shape[0], self._module.hidden_size)
        layer = self._layers.get((number, learns))
        if layer is None or not layer.fits(self.kernel, kind, shape):
            self._layers[number, learns] = layer = Layer(self.kernel, kind, shape, learns=learns)
        h, c = (0.0, 0.0) if carried is None else (carried[0][number], carried[1][number])
        layer.begin(h, c, dropout.dropped_weights())
        return layer

    @staticmethod
    def _input_sums(below: Tensor, table: Table) -> Tensor:
        """Return a layer's input to the gate sums, (n, G) in the kernel's order; below: (n, inputs)."""
        biases = table.input_bias + table.recurrent_bias
        return functional.linear(below, _reordered(table.weight), _reordered(biases))


def _reordered(sums: Tensor) -> Tensor:
    """Put rows in torch's order, (G, ...), into the kernel's: the four gates of 16 units side by side."""
    return sums.view(4, -1, 16, *sums.shape[1:]).transpose(0, 1).reshape(sums.shape)


class _Recorded(torch.autograd.Function):
    """One pass through one layer, recorded by autograd."""

    @staticmethod
    def forward(
        ctx: Any, layer: Layer, index: Tensor | None, weight: Tensor, *inputs: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Arguments: as of `Layer.forward`; of a table, all its parts."""
        h = layer.run_forward(weight, inputs[0] if index is None else Table(*inputs), index)
        ctx.layer = layer
        ctx.set_materialize_grads(False)
        last_h, last_c = layer.last()
        ctx.mark_non_differentiable(last_c)
        return h, last_h, last_c

    @staticmethod
    def backward(ctx: Any, out_grads: Tensor | None, last_grads: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        layer: Layer = ctx.layer
        found = layer.run_backward(out_grads, last_grads, characters=ctx.needs_input_grad[3])
        if found.bias is None:
            return None, None, found.recurrent_weight, found.sums
        return None, None, found.recurrent_weight, found.characters, found.input_weight, found.bias, found.bias
