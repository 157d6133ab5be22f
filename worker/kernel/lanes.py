"""A model's weights as writing reads them, and the lanes that write with them: what write.c is given. Knows no text.

One text is one lane, whose state is carried on, or, in the seed document's way of writing, a window of lanes.
"""

import ctypes
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from worker.kernel import Kernel, Kind
from worker.sampling import Options

#: Units of a block, its gates, and the rows of a tile.
_UNITS, _GATES, _TILE_DEPTH = 16, 4, 32
#: Parts that a number is cut into for tiles.
_PARTS = 3
_BLOCK = _UNITS * _GATES
_INT, _POINTER, _DOUBLE = ctypes.c_int64, ctypes.c_void_p, ctypes.c_double


class Writing(ctypes.Structure):
    """`struct writing` of write.c."""

    _fields_ = (
        ("units", _INT), ("layers", _INT), ("characters", _INT),
        ("table", _POINTER), ("recurrent", _POINTER), ("inputs", _POINTER), ("biases", _POINTER),
        ("out", _POINTER), ("out_biases", _POINTER),
        ("recurrent_tiles", _POINTER), ("input_tiles", _POINTER), ("out_tiles", _POINTER),
        ("lanes", _INT), ("window", _INT), ("last", _INT), ("read", _INT),
        ("h", _POINTER), ("c", _POINTER), ("parts", _POINTER), ("newest", _POINTER), ("logits", _POINTER),
        ("temperature", _DOUBLE), ("top_p", _DOUBLE), ("top_k", _INT),
        ("weights", _POINTER), ("heap", _POINTER),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Packed:
    """One model's weights: V characters, H units, G = 4 H gate sums in the order of lstm.c. Shapes: see write.c."""

    kernel: Kernel
    units: int
    layers: int
    characters: int
    table: Tensor
    recurrent: Tensor
    inputs: Tensor
    biases: Tensor
    out: Tensor
    out_biases: Tensor

    @property
    def has_tiles(self) -> bool:
        """Whether this processor multiplies tiles."""
        return self.kernel.bfloat16 is Kind.BFLOAT16_TILES

    @property
    def products(self) -> int:
        """Multiplications that one lane takes for a character."""
        return 4 * self.units * self.units * (2 * self.layers - 1) + self.out.numel()

    @cached_property
    def tiles(self) -> tuple[Tensor, Tensor, Tensor]:
        """The recurrent weights, the inputs' and the output layer's as tiles are loaded, in parts of eight bits."""
        return _tiled(self.recurrent), _tiled(self.inputs), _tiled(self.out)


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
    """
    characters, units = out.shape
    missing = -characters % _BLOCK
    columns = torch.cat([out, torch.zeros(missing, units)]).view(-1, _GATES, _UNITS, units)
    gates = (_GATES, units // _UNITS, _UNITS)
    return Packed(
        kernel=kernel, units=units, layers=len(recurrent), characters=characters,
        table=table.view(characters, *gates).transpose(1, 2).contiguous(),
        recurrent=_packed([weights.view(*gates, units).transpose(0, 1) for weights in recurrent], units),
        inputs=_packed([weights.view(*gates, units).transpose(0, 1) for weights in inputs], units),
        biases=torch.cat([part.view(gates).transpose(0, 1).reshape(1, -1) for part in biases] or [torch.empty(0)]),
        out=_packed([columns], units),
        out_biases=torch.cat([out_biases, torch.zeros(missing)]),
    )  # fmt: skip


def _packed(layers: list[Tensor], units: int) -> Tensor:
    """Return (layers n, H, 4, 16) of layers (n, 4, 16, H)."""
    if not layers:
        return torch.empty(0, units, _GATES, _UNITS)
    return torch.cat(layers).permute(0, 3, 1, 2).contiguous()


def _parts(numbers: Tensor) -> list[Tensor]:
    """Cut float32 numbers into three of bfloat16 whose sum they are."""
    parts = []
    for _ in range(_PARTS):
        parts.append(numbers.to(torch.bfloat16))
        numbers = numbers - parts[-1]
    return parts


def _tiled(weights: Tensor) -> Tensor:
    """Return (n, H / 32, 3, 4, 16, 16, 2) of weights (n, H, 4, 16): pairs of rows, in parts."""
    blocks, units = weights.shape[:2]
    by_pairs = weights.view(blocks, units // _TILE_DEPTH, _TILE_DEPTH // 2, 2, _GATES, _UNITS).permute(0, 1, 4, 2, 5, 3)
    return torch.stack(_parts(by_pairs), dim=2).contiguous()


class Lanes:
    """Texts that are written side by side by one call, one lane each; or one text with a window of lanes.

    Args:
        packed: the model.
        options: how characters are chosen.
        window: characters of a window, or 0: the state is carried on.
        length: characters that will be written at most; a window that none of them needs isn't begun.
        tiles: take the products of tiles, where there are such.
    """

    def __init__(self, packed: Packed, options: Options, *, window: int = 0, length: int = 1, tiles: bool) -> None:
        self._packed, self._options, self._window, self._length = packed, options, window, length
        self._tiles = packed.tiles if tiles and packed.has_tiles else None
        rows = window or 1
        self._h = torch.zeros(packed.layers, 2, rows, packed.units)
        self._c = torch.zeros(packed.layers, rows, packed.units)
        self._newest = torch.full((1,), -1, dtype=torch.int32)
        self._weights = torch.empty(packed.characters + -packed.characters % 8, dtype=torch.float64)
        self._heap = torch.empty(packed.characters, dtype=torch.int32)
        self._bind(read=0)

    def _bind(self, *, read: int) -> None:
        """Make what depends on the number of lanes, and tell write.c where everything is."""
        packed, options, rows = self._packed, self._options, self._h.shape[2]
        texts = 1 if self._window else rows
        self._logits = torch.empty(texts, len(packed.out_biases))
        padded = functional.pad(self._h, (0, _TILE_DEPTH)) if self._tiles else None
        self._in_parts = None if padded is None else torch.stack(_parts(padded), dim=2)
        recurrent, inputs, out = (tensor.data_ptr() for tensor in self._tiles) if self._tiles else (None, None, None)
        self._writing = Writing(
            units=packed.units, layers=packed.layers, characters=packed.characters,
            table=packed.table.data_ptr(), recurrent=packed.recurrent.data_ptr(), inputs=packed.inputs.data_ptr(),
            biases=packed.biases.data_ptr(), out=packed.out.data_ptr(), out_biases=packed.out_biases.data_ptr(),
            recurrent_tiles=recurrent, input_tiles=inputs, out_tiles=out,
            lanes=rows, window=self._window, last=self._length - 1, read=read,
            h=self._h.data_ptr(), c=self._c.data_ptr(), newest=self._newest.data_ptr(),
            parts=None if self._in_parts is None else self._in_parts.data_ptr(), logits=self._logits.data_ptr(),
            temperature=options.temperature, top_k=min(options.top_k or 0, packed.characters),
            top_p=1.0 if options.top_p is None else options.top_p,
            weights=self._weights.data_ptr(), heap=self._heap.data_ptr(),
        )  # fmt: skip

    def read(self, codes: NDArray[np.int32]) -> None:
        """Read more of a prompt, (T,), before anything is written."""
        self._packed.kernel.read(self._writing, codes)

    def write(self, count: int, draws: NDArray[np.float64] | None) -> NDArray[np.int32]:
        """Write `count` characters of each text, (texts, count), by as many numbers in 0..1; greedily by None."""
        codes = np.empty((len(self._newest), count), np.int32)
        self._packed.kernel.write(self._writing, draws, codes)
        return codes

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes of carried states, in this order; a lane may be taken more than once."""
        rows = torch.tensor(lanes)
        self._h, self._c = self._h[:, :, rows].contiguous(), self._c[:, rows].contiguous()
        self._newest = self._newest[rows]
        self._bind(read=self._writing.read)

    def copy(self) -> "Lanes":
        """Return the same lanes with a state of their own."""
        other = object.__new__(Lanes)
        vars(other).update(vars(self))
        other._h, other._c, other._newest = self._h.clone(), self._c.clone(), self._newest.clone()
        other._bind(read=self._writing.read)
        return other
