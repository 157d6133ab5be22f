"""One LSTM layer's passes over batches of one shape, computed by the compiled kernel (worker/nn/kernel)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from worker.nn.kernel import Kernel
from worker.nn.kernel.structures import (
    Kind,
    LayerArguments,
    Task,
    WeightArguments,
    WeightGradArguments,
    place,
)

#: The compiled functions take tables of a width that is a multiple of this.
_WIDTH = 16
#: For each unit, and 64 more: numbers that a thread of the backward pass copies (PITCH of lstm.c, gates and h).
_COPIED = 129 * 5
#: Padding between two rows of gates, bytes: without it, all rows of a layer of 256 units share the same cache sets.
_APART = 64


class Dropped(NamedTuple):
    """Which recurrent weights are zero in a pass: a share of them; the seed (32 bits) says which."""

    share: float
    seed: int


class Table(NamedTuple):
    """What the inputs to the gate sums are made of where they depend on the character alone: V of them, float32."""

    #: (V, E).
    characters: Tensor
    #: (4 H, E), and two times (4 H,).
    weight: Tensor
    input_bias: Tensor
    recurrent_bias: Tensor


class LayerGrads(NamedTuple):
    """Gradients of a layer, valid until the next pass."""

    #: (4 H, H) float32.
    recurrent_weight: Tensor
    #: (T B, G) in the kind's dtype: of the gate sums, and so of what entered them.
    sums: Tensor
    #: Of what the table is made of, float32: (V, E), (4 H, E) and, of either bias, (4 H,). None without a table, the
    #: first also where it isn't wanted.
    characters: Tensor | None = None
    input_weight: Tensor | None = None
    bias: Tensor | None = None


class Layer:
    """The arrays of a pass: T positions, B rows, H units, G = 4 H gate sums in lstm.c's order.

    The next pass uses them again: megabytes that would otherwise be given by the system, and taken back, page by page.

    Args:
        kernel: computes it.
        kind: of the products.
        shape: T, B and H, which must be a multiple of the kernel's `UNITS`.
        learns: whether a backward pass follows.
    """

    def __init__(self, kernel: Kernel, kind: Kind, shape: tuple[int, int, int], *, learns: bool) -> None:
        self._kernel, self._kind, self._shape = kernel, kind, shape
        positions, rows, units = shape
        self._units, self._sums = units, 4 * units
        #: Those of the kernel, and those of them that have rows.
        self._all_threads, self._threads = kernel.threads, max(1, min(kernel.threads, rows))
        kept = torch.float32 if kernel.bfloat16 is None else kind.dtype
        #: (T + 1, B, H) in the kind's dtype, and float32. The first position is where the sequence begins.
        self._h = torch.empty(positions + 1, rows, units, dtype=kept)
        self._c = torch.empty(positions + 1 if learns else 1, rows, units)
        #: (T, B, more than G); later their gradients.
        self._stride = self._sums + _APART // kept.itemsize
        self._gates = torch.empty(positions if learns else 0, rows, self._stride, dtype=kept)
        #: The recurrent weights as each direction reads them.
        dtype = torch.int8 if kind is Kind.EIGHT_BITS else kind.dtype
        self._forward_weights = torch.empty(self._sums * units, dtype=dtype)
        self._backward_weights = torch.empty(self._sums * -(-units // 64) * 64, dtype=dtype)
        #: In eight bits, what the weights of each gate sum are multiplied by, and what sums begin with.
        self._scales, self._begins = torch.empty(self._sums), torch.empty(self._sums, dtype=torch.int32)
        self._inputs = self._table_inputs = torch.empty(0)
        self._weight_grads: Tensor | None = None
        self._table_grads = torch.empty(0)
        self._index: Tensor | None = None
        #: Of the last pass: its table, as the compiled functions take it, and that table's width as it was given.
        self._table: Table | None = None
        self._width = 0
        self._dropped: Dropped | None = None
        #: What the compiled functions read, until they have run.
        self._weight = torch.empty(0)
        self._out_grads: Tensor | None = None
        self._last_grads: Tensor | None = None

    def begin(self, h: Tensor | float, c: Tensor | float, dropped: Dropped | None) -> None:
        """Set where the sequences begin, (B, H) each, and which recurrent weights the pass leaves out."""
        self._h[0], self._c[0], self._dropped = h, c, dropped

    def forward(self, weight: Tensor, inputs: Tensor | Table, index: Tensor | None = None) -> tuple[Tensor, list[Task]]:
        """Return h after each position, (T, B, H) in the kind's dtype, and what computes it.

        Args:
            weight: (4 H, H) float32, the recurrent ones.
            inputs: to the gate sums, (T B, G) float32 or bfloat16, or what the table of all characters is made of.
            index: (T, B) int32, the character at each place of a batch; with a table.
        """
        self._weight, self._index, self._table, width = weight.contiguous(), index, None, 0
        packing = WeightArguments(
            kind=self._kind,
            units=self._units,
            recurrent=self._weight.data_ptr(),
            forward=self._forward_weights.data_ptr(),
            backward=self._backward_weights.data_ptr(),
            scales=self._scales.data_ptr(),
            begins=self._begins.data_ptr(),
        )
        if self._dropped is not None:
            packing.share, packing.seed = self._dropped
        if isinstance(inputs, Table):
            self._width = inputs.characters.shape[1]
            self._table = table = Table(_padded(inputs.characters), _padded(inputs.weight), *inputs[2:])
            packing.vocabulary, packing.width = vocabulary, width = table.characters.shape
            if self._table_inputs.shape != (vocabulary, self._sums):
                self._table_inputs = torch.empty(vocabulary, self._sums)
                self._table_grads = torch.empty(self._threads, vocabulary, self._sums)
            self._inputs = self._table_inputs
            packing.table = self._inputs.data_ptr()
            packing.characters, packing.inputs, packing.input_bias, packing.recurrent_bias = map(place, table)
        else:
            self._inputs = inputs.contiguous()
        threads = self._all_threads
        packing.scratch = self._kernel.scratch("pack", threads, max(64 * width, 20 * self._units)).data_ptr()
        passing = self._arguments(self._forward_weights)
        return self._h[1:], [Task("pack", packing, threads), Task("forward", passing, self._threads)]

    def fits(self, kernel: Kernel, kind: Kind, shape: tuple[int, int, int]) -> bool:
        """Return True if its arrays are those of such a pass."""
        return (self._kernel, self._all_threads, self._kind, self._shape) == (kernel, kernel.threads, kind, shape)

    def last(self) -> tuple[Tensor, Tensor]:
        """Return copies of h and c after the last position, (B, H) float32."""
        return self._h[-1].to(torch.float32, copy=True), self._c[-1].clone()

    def backward(
        self, out_grads: Tensor | None, last_grads: Tensor | None, *, characters: bool
    ) -> tuple[LayerGrads, list[Task]]:
        """Return the gradients of what `forward` has computed, and what computes them, but those of BFLOAT16_TILES.

        Args:
            out_grads: (T, B, H), of h after each position.
            last_grads: (B, H) float32, of h after the last.
            characters: whether those of the table's characters are wanted.
        """
        found, collecting = self._collect(characters=characters)
        return found, [self._back(out_grads, last_grads), collecting]

    def run_forward(self, weight: Tensor, inputs: Tensor | Table, index: Tensor | None) -> Tensor:
        """Compute h after each position and return it; arguments as of `forward`."""
        h, tasks = self.forward(weight, inputs, index)
        self._kernel.run(*tasks)
        return h

    def run_backward(self, out_grads: Tensor | None, last_grads: Tensor | None, *, characters: bool) -> LayerGrads:
        """Compute the gradients and return them; arguments as of `backward`.

        They aren't used again: whoever has them keeps them.
        """
        found, (back, collect) = self.backward(out_grads, last_grads, characters=characters)
        if self._kind is Kind.BFLOAT16_TILES:
            self._kernel.run(back)
            # By AMX torch's product is faster.
            by_torch = torch.mm(found.sums.t(), self._h[:-1].view(-1, self._units)).view(-1, 4, 16, self._units)
            found.recurrent_weight.view(4, -1, 16, self._units).copy_(by_torch.transpose(0, 1))
            self._kernel.run(collect)
        else:
            self._kernel.run(back, collect)
        self._weight_grads = None
        return found

    def _arguments(self, weights: Tensor) -> LayerArguments:
        """Return what both directions take."""
        positions, rows, units = self._shape
        room = 17 * units + rows * (units + 2) + 516 if self._kind is Kind.EIGHT_BITS else 0
        return LayerArguments(
            kind=self._kind,
            scales=self._scales.data_ptr(),
            begins=self._begins.data_ptr(),
            eight=self._kernel.scratch("eight", self._threads, room).data_ptr(),
            eight_room=room,
            positions=positions,
            rows=rows,
            units=units,
            weights=weights.data_ptr(),
            inputs=self._inputs.data_ptr(),
            index=place(self._index),
            inputs_bf16=self._inputs.dtype is torch.bfloat16,
            h=self._h.data_ptr(),
            c=self._c.data_ptr(),
            gates=self._gates.data_ptr() if len(self._gates) else None,
            stride=self._stride,
        )

    def _back(self, out_grads: Tensor | None, last_grads: Tensor | None) -> Task:
        (_, rows, units), tiles = self._shape, self._kind is Kind.BFLOAT16_TILES
        copies = 0 if tiles else self._threads * _COPIED * (units + 64)
        scratch = self._kernel.scratch("backward", rows * (-(-units // 64) * 64 + units) + copies)
        self._out_grads = None if out_grads is None else out_grads.to(self._h.dtype).contiguous()
        self._last_grads = None if last_grads is None else last_grads.contiguous()
        arguments = self._arguments(self._backward_weights)
        arguments.out_grads, arguments.last_grads = place(self._out_grads), place(self._last_grads)
        arguments.scratch, arguments.weight_grads = scratch.data_ptr(), None if tiles else place(self._weight_grads)
        if self._table is not None:
            arguments.table_grads, arguments.table_rows = self._table_grads.data_ptr(), len(self._inputs)
        return Task("backward", arguments, self._threads)

    def _collect(self, *, characters: bool) -> tuple[LayerGrads, Task]:
        """Return the gradients, and what adds up what the threads have summed."""
        parts = 1 if self._kind is Kind.BFLOAT16_TILES else self._threads
        if self._weight_grads is None:
            self._weight_grads = torch.empty(parts, self._sums, self._units)
        collecting = WeightGradArguments(
            units=self._units, parts=parts, recurrent=self._weight_grads.data_ptr(), table_parts=self._threads
        )
        if self._dropped is not None:
            collecting.share, collecting.seed = self._dropped
        found, room = LayerGrads(self._weight_grads[0], self._gates.view(-1, self._stride)[:, : self._sums]), 0
        if (table := self._table) is not None:
            made = [torch.empty_like(one) for one in (table.characters, table.weight, table.input_bias)]
            collecting.vocabulary, collecting.width = vocabulary, width = table.characters.shape
            collecting.table = self._table_grads.data_ptr()
            collecting.characters, collecting.inputs = table.characters.data_ptr(), table.weight.data_ptr()
            collecting.character_grads = made[0].data_ptr() if characters else None
            collecting.input_grads, collecting.bias_grads = made[1].data_ptr(), made[2].data_ptr()
            room = 16 * vocabulary + 6 * (self._sums + width)
            found = LayerGrads(
                *found[:2], made[0][:, : self._width] if characters else None, made[1][:, : self._width], made[2]
            )
        collecting.scratch = self._kernel.scratch("collect", self._all_threads, room).data_ptr()
        return found, Task("collect", collecting, self._all_threads)


def _padded(numbers: Tensor) -> Tensor:
    """Return rows of a width that the compiled functions take, with zeros at the end."""
    more = -numbers.shape[1] % _WIDTH
    return functional.pad(numbers, (0, more)) if more else numbers.contiguous()
