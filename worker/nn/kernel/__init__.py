"""The LSTM layer as one compiled pass over a sequence: finding it, calling it. Knows no models.

`lstm.c` computes the layer, `output.c` the loss with its gradients, `muon.c` Muon's steps, `write.c` generates
text (`lanes.py` calls that). They are compiled once for each family of processors (`compilation.py`) by the machine's C
compiler when Charloom is set up, and by a worker that starts without it. Where there is no compiler, or the processor
belongs to no family, `load` returns None and callers take torch's own LSTM: the same mathematics, slower, other last
digits.
"""

import ctypes
import logging
from collections.abc import Sequence
from copy import copy
from functools import cache
from itertools import chain
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.settings import kernel_choice
from worker.nn.kernel.compilation import Family, KernelUnavailable, build, supported
from worker.nn.kernel.structures import (
    Kind,
    LayerArguments,
    MuonArguments,
    OutputArguments,
    OutputGrads,
    Pass,
    layer_arguments,
    place,
)
from worker.nn.kernel.threads import in_threads

log = logging.getLogger(__name__)

#: The units of a layer must be a multiple of this.
UNITS = 32
_INT, _POINTER = ctypes.c_int64, ctypes.c_void_p
#: Rows that output.c computes at once.
_CHUNK = 96
#: Kind of bfloat16 products of each family that has them.
_BFLOAT16 = {"amx": Kind.BFLOAT16_TILES, "bf16": Kind.BFLOAT16, "neon-bf16": Kind.BFLOAT16}


class Kernel:
    """The compiled layer. Arrays must be contiguous; nothing is checked, so this is for fused.py and lanes.py alone.

    Raises KernelUnavailable if it can't be compiled or loaded, or the system refuses the registers that it needs.
    """

    def __init__(self, family: Family) -> None:
        path = build(family)
        try:
            self._library = library = ctypes.CDLL(str(path))
            library.charloom_forward.argtypes = [ctypes.POINTER(LayerArguments), _INT, _INT]
            library.charloom_backward.argtypes = [ctypes.POINTER(LayerArguments), _INT, _INT]
            library.charloom_pack.argtypes = [_INT, _INT, _INT, _INT, _POINTER, _POINTER, _POINTER]
            library.charloom_dropout.argtypes = [_INT, _INT, ctypes.c_uint32, ctypes.c_double, _POINTER, _POINTER]
            library.charloom_output.argtypes = [ctypes.POINTER(OutputArguments), _INT, _INT]
            library.charloom_muon.argtypes = [ctypes.POINTER(MuonArguments), _INT, _INT]
            library.charloom_read.argtypes = [_POINTER, _INT, _POINTER, _POINTER]
            library.charloom_write.argtypes = [_POINTER, _INT, _INT, _INT, _POINTER, _POINTER]
            #: Columns of weights that are packed side by side.
            self.strip = _INT.in_dll(library, "charloom_strip").value
            if family.name == "amx" and library.charloom_ask_for_tiles():
                raise KernelUnavailable("the system doesn't give the registers of AMX")
        except (OSError, AttributeError, ValueError) as exc:
            raise KernelUnavailable(f"{path.name} can't be loaded: {exc}") from exc
        self.family = family
        #: Threads that share its work; None: as many as torch uses.
        self.own_threads: int | None = None
        #: Kind of bfloat16 products here, or None.
        self.bfloat16 = _BFLOAT16.get(family.name)

    @property
    def threads(self) -> int:
        """Threads that share its work."""
        return self.own_threads or torch.get_num_threads()

    def with_threads(self, threads: int) -> Self:
        """Return the same layer computed by so many threads, whatever torch uses."""
        other = copy(self)
        other.own_threads = threads
        return other

    def pack(self, kind: Kind, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the recurrent weights, (4 H, H) float32 in torch's order, as each direction reads them."""
        units = weights.shape[1]
        forward = torch.empty(4 * units * units, dtype=kind.dtype)
        backward = torch.empty(4 * units * -(-units // 64) * 64, dtype=kind.dtype)
        places = weights.data_ptr(), forward.data_ptr(), backward.data_ptr()
        in_threads(lambda number, all_: self._library.charloom_pack(kind, units, number, all_, *places), self.threads)
        return forward, backward

    def forward(self, arrays: Pass, weights: Tensor) -> None:
        """Fill `h`, `c` and `gates`."""
        sequence = layer_arguments(arrays, weights)
        in_threads(
            lambda number, all_: self._library.charloom_forward(ctypes.byref(sequence), number, all_), arrays.threads
        )

    def backward(
        self,
        arrays: Pass,
        weights: Tensor,
        *,
        out_grads: Tensor | None,
        last_grads: Tensor | None,
        table_grads: Tensor | None,
        weight_grads: Tensor | None,
    ) -> None:
        """Turn `gates` into the gradients of the gate sums; no gradient reaches the first h and c.

        Args:
            arrays: as `forward` left them.
            weights: packed for this direction.
            out_grads: (T, B, H) in the kind's dtype, of h after each position.
            last_grads: (B, H) float32, of h after the last.
            table_grads: (threads, n, G) float32, to be filled: of `inputs`, by index, each thread's apart.
            weight_grads: (threads, G, H) float32, to be filled: of the weights in torch's order, each thread's apart.
                Not for BFLOAT16_TILES.
        """
        sequence = layer_arguments(arrays, weights)
        sequence.out_grads, sequence.last_grads = place(out_grads), place(last_grads)
        sequence.table_grads, sequence.weight_grads = place(table_grads), place(weight_grads)
        sequence.table_rows = 0 if table_grads is None else table_grads.shape[1]
        rows, units = arrays.h.shape[1:]
        copies = 0 if weight_grads is None else arrays.threads * 129 * 5 * (units + 64)
        scratch = torch.empty(rows * (-(-units // 64) * 64 + units) + copies)
        sequence.scratch = scratch.data_ptr()
        in_threads(
            lambda number, all_: self._library.charloom_backward(ctypes.byref(sequence), number, all_), arrays.threads
        )

    def dropout(self, numbers: Tensor, *, share: float, seed: int) -> Tensor:
        """Return numbers of which that share is zero, the others scaled up; the seed (32 bits) says which.

        numbers: of any shape, contiguous, float32.
        """
        found, count = torch.empty_like(numbers), numbers.numel()

        def drop(number: int, all_: int) -> None:
            begin, end = count * number // all_, count * (number + 1) // all_
            self._library.charloom_dropout(begin, end, seed, share, numbers.data_ptr(), found.data_ptr())

        in_threads(drop, self.threads)
        return found

    def output(
        self, outputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, *, kept: Tensor | None
    ) -> OutputGrads:
        """Return the loss of the linear layer onto V characters, and all gradients: rounded by the number of threads.

        Args:
            outputs: (T, B, H) float32 or, for products in it, bfloat16. H must be a multiple of `UNITS`.
            weight: (V, H) float32.
            bias: (V,) float32.
            targets: (T, B) int64, each below V.
            kept: (B, H) float32, what the units of each batch row are multiplied with first.
        """
        threads = self.threads
        (positions, batch, units), vocabulary = outputs.shape, len(weight)
        rows, columns = positions * batch, -(-vocabulary // 16) * 16
        losses, grads = torch.empty(2, rows), torch.empty_like(outputs)
        weight_grads, bias_grads = torch.empty(threads, columns, units), torch.empty(threads, columns)
        room = _CHUNK * (units + 16 + 2 * (columns + 16)) + columns * (2 * units + 1)
        scratch = torch.empty(threads, room)
        arguments = OutputArguments(
            paired=outputs.dtype is torch.bfloat16,
            rows=rows,
            batch=batch,
            units=units,
            vocabulary=vocabulary,
            h=outputs.data_ptr(),
            kept=place(kept),
            weights=weight.data_ptr(),
            bias=bias.data_ptr(),
            targets=targets.data_ptr(),
            factor=1 / rows,
            losses=losses.data_ptr(),
            h_grads=grads.data_ptr(),
            weight_grads=weight_grads.data_ptr(),
            bias_grads=bias_grads.data_ptr(),
            scratch=scratch.data_ptr(),
            room=room,
        )
        in_threads(lambda number, all_: self._library.charloom_output(ctypes.byref(arguments), number, all_), threads)
        below, sums = losses
        loss = (below + sums.log()).mean()
        return OutputGrads(
            loss=loss, outputs=grads, weight=summed(weight_grads)[:vocabulary], bias=summed(bias_grads)[:vocabulary]
        )

    def muon(
        self,
        weights: Tensor,
        grads: Tensor,
        averages: Tensor,
        coefficients: Sequence[tuple[float, float, float]],
        *,
        momentum: float,
        kept: float,
        size: float,
        kind: Kind,
    ) -> None:
        """Step weights by Muon, matrix by matrix; a matrix's result doesn't depend on the others or the threads.

        Args:
            weights: (n, H, H) float32, changed: `kept` of each is left, and the orthogonal matrix times `size` taken
                away. H must be a multiple of `UNITS`.
            grads: of the weights.
            averages: of the gradients before, changed: `momentum` of each is left.
            coefficients: a, b and c of each round that makes a matrix orthogonal.
            momentum: with it the gradient looks ahead, too (Nesterov).
            kept: what weight decay leaves.
            size: of the step.
            kind: of the products; not BFLOAT16_TILES.
        """
        count, units = weights.shape[:2]
        threads, rounds = max(1, min(self.threads, count)), len(coefficients)
        factors = (ctypes.c_float * (3 * rounds))(*chain(*coefficients))
        scratch = torch.empty(threads, 3 if kind is Kind.FLOAT32 else 4, units, units)
        arguments = MuonArguments(
            paired=kind is not Kind.FLOAT32,
            matrices=count,
            units=units,
            rounds=rounds,
            coefficients=ctypes.addressof(factors),
            momentum=momentum,
            kept=kept,
            size=size,
            grads=grads.data_ptr(),
            averages=averages.data_ptr(),
            weights=weights.data_ptr(),
            scratch=scratch.data_ptr(),
        )
        in_threads(lambda number, all_: self._library.charloom_muon(ctypes.byref(arguments), number, all_), threads)

    def read(self, writing: ctypes.Structure, codes: NDArray[np.int32], scratch: Tensor) -> None:
        """Let a text read more of its prompt, (T,); without a window `scratch` has space for 5 T H numbers."""
        self._library.charloom_read(ctypes.byref(writing), len(codes), codes.ctypes.data, scratch.data_ptr())

    def write(
        self, writing: ctypes.Structure, draws: NDArray[np.float64] | None, codes: NDArray[np.int32], *, threads: int
    ) -> None:
        """Write as many characters of each text as there is space for, (texts, T), by as many numbers in 0..1."""
        count, place = codes.shape[1], None if draws is None else draws.ctypes.data

        def write(number: int, all_: int) -> None:
            self._library.charloom_write(ctypes.byref(writing), number, all_, count, place, codes.ctypes.data)

        in_threads(write, threads)


def summed(parts: Tensor) -> Tensor:
    """Add up the threads' sums, always in the same order, in place of the first."""
    total = parts[0]
    for part in parts[1:]:
        total.add_(part)
    return total


def find(choice: str | None = None) -> Kernel:
    """Return the compiled layer for this processor, compiled first where it isn't.

    choice: a family's name, "auto" or "none"; the setting `kernel` when not given.

    Raises KernelUnavailable, saying why there is none.
    """
    choice = choice or kernel_choice()
    if choice == "none":
        raise KernelUnavailable("CHARLOOM_KERNEL is none")
    found = [family for family in supported() if choice in ("auto", family.name)]
    if not found:
        raise KernelUnavailable(f"CHARLOOM_KERNEL is {choice}, which this processor doesn't support")
    for slower in found[1:]:
        try:
            return Kernel(found[0])
        except KernelUnavailable as exc:
            log.warning("The LSTM layer for %s isn't used: %s", found[0].title, exc)
            found[0] = slower
    return Kernel(found[0])


@cache
def load() -> Kernel | None:
    """Return the compiled layer, or None where there is none."""
    try:
        return find()
    except KernelUnavailable as exc:
        log.warning("The LSTM layer is torch's own, which is several times slower: %s", exc)
        return None
