"""The layers of an nn.LSTM computed by the compiled kernel (worker/nn/kernel), with their gradients. Knows no text.

The input of the first layer depends only on the character. So its input product is a table with a row for each
character, and that table's gradient is summed by character instead of being computed at every position.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.nn.dropout import NONE, Dropout
from worker.nn.kernel import UNITS, Kernel, summed
from worker.nn.kernel.structures import Kind, Pass
from worker.nn.output import computes_loss

#: The state of an LSTM that is carried: (h, c), each (layers, B, H) float32.
Carried = tuple[Tensor, Tensor]
#: Padding between two rows of gates, bytes: without it, all rows of a layer of 256 units share the same cache sets.
_APART = 64
#: The table is used if it has at most this many rows per position.
_TABLE_SHARE = 0.5
#: Kinds whose sums are rounded in another way than in the first states that name them, and how often that changed.
_CHANGES = {Kind.FLOAT32: 1, Kind.BFLOAT16: 2}


class _Outputs(NamedTuple):
    """Of one layer; views of its arrays, which the next pass overwrites."""

    h: Tensor  # (T, B, H) in the kind's dtype
    last_h: Tensor  # (B, H) float32
    last_c: Tensor  # (B, H) float32


@dataclass(frozen=True, kw_only=True)
class _Call:
    """The arguments of one pass through one layer that have no gradients."""

    kernel: Kernel
    arrays: Pass


class Fused:
    """Computes the layers of a module whose first layer reads characters.

    Only one pass with gradients at a time: the next one uses its arrays again, megabytes that would otherwise be
    allocated page by page each time.

    Args:
        kernel: the compiled layer.
        module: holds the weights. Its hidden_size must be a multiple of `UNITS`.
        read: turns characters, int64 of any shape, into inputs of the first layer, with one dimension more; without
            any, all V in order.
        vocab_size: V, distinct characters.
    """

    def __init__(
        self, kernel: Kernel, module: nn.LSTM, read: Callable[[Tensor | None], Tensor], vocab_size: int
    ) -> None:
        self.kernel, self._module, self._read, self._vocab_size = kernel, module, read, vocab_size
        self._buffers: dict[tuple[int, bool], Pass] = {}

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
        kind, family = self.kernel.bfloat16 or Kind.FLOAT32, self.kernel.family
        # States from before the layer was compiled for others have no name of a processor.
        name = f"lstm.c, {kind.name.lower()}" + ("" if family.header == "avx512.h" else f", {family.name}")
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

    def _pass(self, codes: Tensor, carried: Carried | None, dropout: Dropout) -> list[_Outputs]:
        module, kind = self._module, Kind.FLOAT32
        if torch.is_autocast_enabled("cpu"):
            if self.kernel.bfloat16 is None:
                raise ValueError("the kernel has no bfloat16 products here")
            kind = self.kernel.bfloat16
        passed: list[_Outputs] = []
        for number in range(module.num_layers):
            index = None
            if number:
                inputs = self._input_sums(dropout.variational_dropout(passed[-1].h).flatten(0, 1), number)
            elif self._vocab_size <= _TABLE_SHARE * codes.numel():
                index = codes.t().to(torch.int32).contiguous()
                with torch.autocast("cpu", enabled=False):
                    inputs = self._input_sums(self._read(None), 0)
            else:
                inputs = self._input_sums(self._read(codes.t()).flatten(0, 1), 0)
            weight = dropout.drop_connect(getattr(module, f"weight_hh_l{number}"), self.kernel)
            call = _Call(kernel=self.kernel, arrays=self._buffer(number, codes, kind, inputs, index))
            h, c = (0.0, 0.0) if carried is None else (carried[0][number], carried[1][number])
            call.arrays.h[0] = h
            call.arrays.c.view(-1, *call.arrays.h.shape[1:])[0] = c
            passed.append(_Outputs(*_Layer.apply(inputs, weight, call)))  # type: ignore[no-untyped-call]
        return passed

    def _input_sums(self, below: Tensor, number: int) -> Tensor:
        """Return a layer's input to the gate sums, (n, G) in the kernel's order; below: (n, inputs)."""
        module = self._module
        biases = getattr(module, f"bias_ih_l{number}") + getattr(module, f"bias_hh_l{number}")
        return functional.linear(below, _reordered(getattr(module, f"weight_ih_l{number}")), _reordered(biases))

    def _buffer(self, number: int, codes: Tensor, kind: Kind, inputs: Tensor, index: Tensor | None) -> Pass:
        """Return the arrays of a pass, those of the last one if they have its shape."""
        (rows, positions), units = codes.shape, self._module.hidden_size
        kept = torch.is_grad_enabled()
        former = self._buffers.get((number, kept))
        if former is not None and former.h.shape == (positions + 1, rows, units) and former.kind is kind:
            h, c, gates = former.h, former.c, former.gates
        else:
            h = torch.empty(positions + 1, rows, units, dtype=kind.dtype)
            c = torch.empty(positions + 1, rows, units) if kept else torch.empty(rows, units)
            stride = 4 * units + _APART // h.element_size()
            gates = torch.empty(positions, rows, stride, dtype=kind.dtype) if kept else None
        threads = max(1, min(self.kernel.threads, rows))
        summed = inputs.detach().contiguous()
        buffer = Pass(kind=kind, threads=threads, inputs=summed, index=index, h=h, c=c, gates=gates)
        self._buffers[number, kept] = buffer
        return buffer


def _reordered(sums: Tensor) -> Tensor:
    """Put rows in torch's order, (G, ...), into the kernel's: the four gates of 16 units side by side."""
    return sums.view(4, -1, 16, *sums.shape[1:]).transpose(0, 1).reshape(sums.shape)


class _Layer(torch.autograd.Function):
    """One pass through one layer."""

    @staticmethod
    def forward(ctx: Any, _inputs: Tensor, weight: Tensor, call: _Call) -> tuple[Tensor, Tensor, Tensor]:
        arrays = call.arrays
        forward, ctx.weights = call.kernel.pack(arrays.kind, weight.contiguous())
        call.kernel.forward(arrays, forward)
        ctx.call = call
        ctx.set_materialize_grads(False)
        last_c = (arrays.c if arrays.gates is None else arrays.c[-1]).clone()
        ctx.mark_non_differentiable(last_c)
        return arrays.h[1:], arrays.h[-1].to(torch.float32, copy=True), last_c

    @staticmethod
    def backward(ctx: Any, out_grads: Tensor | None, last_grads: Tensor | None, _: None) -> tuple[Tensor, Tensor, None]:
        arrays = ctx.call.arrays
        gates, (positions, rows, units) = arrays.gates, arrays.h[1:].shape
        sums = 4 * units
        tiles = arrays.kind is Kind.BFLOAT16_TILES
        table_grads = None if arrays.index is None else torch.empty(arrays.threads, *arrays.inputs.shape)
        weight_grads = None if tiles else torch.empty(arrays.threads, sums, units)
        ctx.call.kernel.backward(
            arrays,
            ctx.weights,
            table_grads=table_grads,
            weight_grads=weight_grads,
            out_grads=None if out_grads is None else out_grads.to(arrays.h.dtype).contiguous(),
            last_grads=None if last_grads is None else last_grads.contiguous(),
        )
        grads = gates.view(positions * rows, -1)[:, :sums]
        of_inputs = grads if table_grads is None else summed(table_grads)
        if weight_grads is not None:
            return of_inputs, summed(weight_grads), None
        of_weight = torch.mm(grads.t(), arrays.h[:-1].view(-1, units))
        in_torchs_order = torch.empty(4, units // 16, 16, units)
        in_torchs_order.copy_(of_weight.view(-1, 4, 16, units).transpose(0, 1))
        return of_inputs, in_torchs_order.view(sums, units), None
