"""A model's weights as writing reads them, and the lanes that write with them: what write.c is given. Knows no text.

One text is one lane, whose state is carried on, or, in the seed document's way of writing, a window of lanes.
"""

import copy
import ctypes
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.host import cores
from worker.nn.kernel import Kernel

#: Units of a block, and its gates.
_UNITS, _GATES = 16, 4
#: narrow.h: the largest weight of a column, steps of h from 0 to 1, what they are lifted by.
_LARGEST, _STEPS, _LIFT = 127.0, 63.0, 64
#: A column whose weights are all smaller is all zeros.
_SMALLEST = 1e-30
#: Characters of a prompt that go through one layer before the next.
_STRETCH = 64
#: Texts, and windows of one, that make a thread worth its start.
_TEXTS_A_THREAD, _WINDOWS_A_THREAD = 8, 16
#: h, c, the newest characters, and how many have been read.
Saved = tuple[Tensor, Tensor, Tensor, int]
_INT, _POINTER, _DOUBLE = ctypes.c_int64, ctypes.c_void_p, ctypes.c_double


class Writing(ctypes.Structure):
    """`struct writing` of write.c."""

    _fields_ = (
        ("units", _INT), ("layers", _INT), ("characters", _INT),
        ("table", _POINTER), ("recurrent", _POINTER), ("recurrent_narrow", _POINTER), ("recurrent_scales", _POINTER),
        ("recurrent_begins", _POINTER), ("inputs", _POINTER), ("inputs_narrow", _POINTER), ("inputs_scales", _POINTER),
        ("inputs_begins", _POINTER), ("biases", _POINTER),
        ("out", _POINTER), ("out_narrow", _POINTER), ("out_scales", _POINTER), ("out_begins", _POINTER),
        ("out_biases", _POINTER),
        ("lanes", _INT), ("window", _INT), ("last", _INT), ("read", _INT),
        ("h", _POINTER), ("c", _POINTER), ("newest", _POINTER), ("entering", _POINTER), ("logits", _POINTER),
        ("temperature", _DOUBLE), ("top_p", _DOUBLE), ("top_k", _INT), ("choices", _INT),
        ("weights", _POINTER), ("heap", _POINTER),
    )  # fmt: skip


class Matrices(NamedTuple):
    """Weights of products, as packed: float32, or int8 with what narrow.h needs for each column."""

    weights: Tensor
    scales: Tensor | None = None
    begins: Tensor | None = None

    def fields(self, name: str) -> dict[str, int]:
        """Return the fields of `Writing` that are `struct matrices` of write.c."""
        if self.scales is None or self.begins is None:
            return {name: self.weights.data_ptr()}
        return {
            f"{name}_narrow": self.weights.data_ptr(),
            f"{name}_scales": self.scales.data_ptr(),
            f"{name}_begins": self.begins.data_ptr(),
        }


@dataclass(frozen=True, kw_only=True)
class Packed:
    """One model's weights: V characters, H units, G = 4 H gate sums in the order of vectors.h. Shapes: see write.c."""

    kernel: Kernel
    units: int
    layers: int
    characters: int
    table: Tensor
    recurrent: Matrices
    inputs: Matrices
    biases: Tensor
    out: Matrices
    out_biases: Tensor

    @property
    def products(self) -> int:
        """Multiplications that one lane takes for a character."""
        return 4 * self.units * self.units * (2 * self.layers - 1) + self.out.weights.numel()


@torch.no_grad()
def pack(
    kernel: Kernel,
    *,
    table: Tensor,
    recurrent: list[Tensor],
    inputs: list[Tensor],
    biases: list[Tensor],
    out: Tensor,
    out_biases: Tensor,
    narrow: bool = False,
) -> Packed:
    """Arrange a model's weights for writing, all float32 and in torch's order of the gates.

    Args:
        kernel: the compiled layer; H must be a multiple of its `UNITS`.
        table: (V, 4 H), what the first layer takes from each character, biases included.
        recurrent: (4 H, H) of each layer.
        inputs: (4 H, H) of each layer but the first.
        biases: (4 H,) of each layer but the first.
        out: (V, H), the output layer.
        out_biases: (V,), its biases.
        narrow: round the weights of products to eight bits (narrow.h); the table and biases stay float32.
    """
    characters, units = out.shape
    missing = -characters % _UNITS
    gates = (_GATES, units // _UNITS, _UNITS)
    padded = torch.cat([out, torch.zeros(missing, units)])
    if narrow:
        integers, scales = _rounded(padded)
        padded = torch.cat([padded, padded - integers * scales])
    return Packed(
        kernel=kernel,
        units=units,
        layers=len(recurrent),
        characters=characters,
        table=table.view(characters, *gates).transpose(1, 2).contiguous(),
        recurrent=_packed(_blocks(recurrent), kernel.strip, narrow=narrow),
        inputs=_packed(_blocks(inputs), kernel.strip, narrow=narrow),
        biases=torch.cat([part.view(gates).transpose(0, 1).reshape(1, -1) for part in biases] or [torch.empty(0)]),
        out=_packed(padded, _UNITS, narrow=narrow),
        out_biases=torch.cat([out_biases, torch.zeros(missing)]),
    )


def _blocks(layers: list[Tensor]) -> Tensor:
    """Return layers of (G, H), in torch's order of the gates, one after the other in that of vectors.h, (n G, H)."""
    if not layers:
        return torch.empty(0, _UNITS)
    units = layers[0].shape[1]
    return torch.cat([part.view(_GATES, -1, _UNITS, units).transpose(0, 1).reshape(-1, units) for part in layers])


def _packed(columns: Tensor, strip: int, *, narrow: bool) -> Matrices:
    """Return columns, (n, H), in strips as vectors.h draws them, or narrow.h."""
    if not len(columns):
        return Matrices(columns)
    units = columns.shape[1]
    if not narrow:
        return Matrices(columns.view(-1, strip, units).transpose(1, 2).contiguous())
    integers, scales = _rounded(columns)
    fours = integers.view(-1, _UNITS, units // 4, 4).transpose(1, 2).to(torch.int8).contiguous()
    return Matrices(fours, scales / _STEPS, (integers.sum(1) * -_LIFT).to(torch.int32))


def _rounded(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Round columns, (n, H), to whole numbers of -127..127; return these and what 1 is in each, (n, 1)."""
    scales = columns.abs().amax(1, keepdim=True).clamp_min(_SMALLEST) / _LARGEST
    return (columns / scales).round(), scales


class SamplingOptions(Protocol):
    """How characters are chosen; `worker/nn/sampling.py` says what the numbers mean."""

    @property
    def temperature(self) -> float:
        """What the logits are divided by."""

    @property
    def top_k(self) -> int | None:
        """Characters to choose among at most."""

    @property
    def top_p(self) -> float | None:
        """Probability that the characters to choose among reach together."""


class Lanes:
    """Texts that are written side by side by one call, one lane each; or one text with a window of lanes.

    Args:
        packed: the model.
        options: how characters are chosen.
        window: characters of a window, or 0: the state is carried on.
        length: characters that will be written at most; a window that none of them needs isn't begun.
    """

    def __init__(self, packed: Packed, options: SamplingOptions, *, window: int = 0, length: int = 1) -> None:
        self._packed, self._options, self._window, self._length = packed, options, window, length
        rows = window or 1
        self._h = torch.zeros(packed.layers, 2, rows, packed.units)
        self._c = torch.zeros(packed.layers, rows, packed.units)
        self._newest = torch.full((1,), -1, dtype=torch.int32)
        self._bind(read=0)

    def _bind(self, *, read: int) -> None:
        """Allocate logits and choices, and pass all addresses to write.c."""
        packed, options, texts = self._packed, self._options, len(self._newest)
        shares = self._window // _WINDOWS_A_THREAD if self._window else texts // _TEXTS_A_THREAD
        self._threads = threads = max(1, min(cores(), shares))
        self._logits = torch.empty(texts, len(packed.out_biases))
        self._weights = torch.empty(threads, packed.characters + -packed.characters % 8, dtype=torch.float64)
        self._heap = torch.empty(threads, packed.characters, dtype=torch.int32)
        self._writing = Writing(
            units=packed.units,
            layers=packed.layers,
            characters=packed.characters,
            table=packed.table.data_ptr(),
            **packed.recurrent.fields("recurrent"),
            **packed.inputs.fields("inputs"),
            biases=packed.biases.data_ptr(),
            **packed.out.fields("out"),
            out_biases=packed.out_biases.data_ptr(),
            lanes=self._h.shape[2],
            window=self._window,
            last=self._length - 1,
            read=read,
            h=self._h.data_ptr(),
            c=self._c.data_ptr(),
            newest=self._newest.data_ptr(),
            logits=self._logits.data_ptr(),
            temperature=options.temperature,
            top_k=min(options.top_k or 0, packed.characters),
            top_p=1.0 if options.top_p is None else options.top_p,
            choices=packed.characters,
            weights=self._weights.data_ptr(),
            heap=self._heap.data_ptr(),
        )

    def read(self, codes: NDArray[np.int32]) -> None:
        """Read more of a prompt, (T,), before anything is written."""
        most, threads = (len(codes), self._threads) if self._window else (_STRETCH, 1)
        scratch = torch.empty(0 if self._window else 5 * most * self._packed.units)
        for begin in range(0, len(codes), most):
            piece = codes[begin : begin + most]
            self._packed.kernel.read(self._writing, piece, scratch, threads=threads)
            # The newest character is kept for the next call; the first has kept none.
            self._writing.read += len(piece) - (self._newest[0].item() < 0)
            self._newest[0] = int(piece[-1])

    def write(self, count: int, draws: NDArray[np.float64] | None) -> NDArray[np.int32]:
        """Write `count` characters of each text, (texts, count), by as many numbers in 0..1; greedily by None."""
        codes = np.empty((len(self._newest), count), np.int32)
        self._packed.kernel.write(self._writing, draws, codes, threads=self._threads)
        self._writing.read += count
        return codes

    def logits(self, text: int) -> NDArray[np.float32]:
        """Return the logits that a text's newest character was chosen by, (V,)."""
        logits: NDArray[np.float32] = self._logits[text, : self._packed.characters].numpy()
        return logits

    def replace(self, text: int, code: int) -> None:
        """Put another character in the place of a text's newest one."""
        self._newest[text] = code

    def save(self) -> Saved:
        """Return the state of all texts."""
        return self._h.clone(), self._c.clone(), self._newest.clone(), self._writing.read

    def restore(self, saved: Saved) -> None:
        """Return to a state of the same texts."""
        for tensor, kept in zip((self._h, self._c, self._newest), saved[:3], strict=True):
            tensor.copy_(kept)
        self._writing.read = saved[3]

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes of carried states, in this order; one may be taken several times."""
        rows = torch.tensor(lanes)
        self._h, self._c = self._h.index_select(2, rows), self._c.index_select(1, rows)
        self._newest = self._newest[rows]
        self._bind(read=self._writing.read)

    def copies(self, count: int) -> "list[Lanes]":
        """Return this text and others like it, `count` in all, each with a state of its own."""
        others = [copy.copy(self) for _ in range(count - 1)]
        for other in others:
            other.part()
        return [self, *others]

    def part(self) -> None:
        """Take a state of its own."""
        self._h, self._c, self._newest = self._h.clone(), self._c.clone(), self._newest.clone()
        self._bind(read=self._writing.read)
