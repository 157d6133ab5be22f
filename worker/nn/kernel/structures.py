"""What the compiled functions take and return: the structures of the C sources, and the arrays that they point to."""

import ctypes
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

_INT, _POINTER = ctypes.c_int64, ctypes.c_void_p


class Kind(IntEnum):
    """What products are computed with; numbered as in lstm.c."""

    FLOAT32 = 0
    BFLOAT16 = 1
    BFLOAT16_TILES = 2

    @property
    def dtype(self) -> torch.dtype:
        """What h and gates are kept in."""
        return torch.float32 if self is Kind.FLOAT32 else torch.bfloat16


class LayerArguments(ctypes.Structure):
    """`struct sequence` of lstm.c."""

    _fields_ = (
        ("kind", _INT), ("positions", _INT), ("rows", _INT), ("units", _INT),
        ("weights", _POINTER), ("inputs", _POINTER), ("index", _POINTER), ("inputs_bf16", _INT),
        ("h", _POINTER), ("c", _POINTER), ("gates", _POINTER), ("stride", _INT),
        ("out_grads", _POINTER), ("last_grads", _POINTER), ("table_grads", _POINTER), ("table_rows", _INT),
        ("weight_grads", _POINTER), ("scratch", _POINTER),
    )  # fmt: skip


class OutputArguments(ctypes.Structure):
    """`struct output` of output.c."""

    _fields_ = (
        ("paired", _INT), ("rows", _INT), ("batch", _INT), ("units", _INT), ("vocabulary", _INT),
        ("h", _POINTER), ("kept", _POINTER), ("weights", _POINTER), ("bias", _POINTER), ("targets", _POINTER),
        ("factor", ctypes.c_float), ("losses", _POINTER), ("h_grads", _POINTER), ("weight_grads", _POINTER),
        ("bias_grads", _POINTER), ("scratch", _POINTER), ("room", _INT),
    )  # fmt: skip


class MuonArguments(ctypes.Structure):
    """`struct muon` of muon.c."""

    _fields_ = (
        ("paired", _INT), ("matrices", _INT), ("units", _INT), ("rounds", _INT), ("coefficients", _POINTER),
        ("momentum", ctypes.c_float), ("kept", ctypes.c_float), ("size", ctypes.c_float),
        ("grads", _POINTER), ("averages", _POINTER), ("weights", _POINTER), ("scratch", _POINTER),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OutputGrads:
    """A loss, the mean over all positions in nats, and its gradients."""

    loss: Tensor
    #: (T, B, H) as the outputs were given.
    outputs: Tensor
    #: (V, H) and (V,) float32.
    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, kw_only=True)
class Pass:
    """The arrays of one pass over a sequence: T positions, B rows, H units, G = 4 H gate sums in lstm.c's order."""

    kind: Kind
    threads: int
    #: (n, G) float32 or bfloat16: what enters the gate sums besides the recurrent products.
    inputs: Tensor
    #: (T, B) int32, row of `inputs` at each place; None where `inputs` has a row for each place, (T B, G).
    index: Tensor | None
    #: (T + 1, B, H) in the kind's dtype. The first is where the sequence begins.
    h: Tensor
    #: (T + 1, B, H) float32, or (B, H), overwritten, where `gates` is None.
    c: Tensor
    #: (T, B, more than G) in the kind's dtype, or None: no backward pass will follow.
    gates: Tensor | None


def place(array: Tensor | None) -> int | None:
    """Return where an array begins."""
    return None if array is None else array.data_ptr()


def layer_arguments(arrays: Pass, weights: Tensor) -> LayerArguments:
    """Return what both directions take."""
    positions, rows, units = arrays.h.shape
    return LayerArguments(
        kind=arrays.kind,
        positions=positions - 1,
        rows=rows,
        units=units,
        weights=weights.data_ptr(),
        inputs=arrays.inputs.data_ptr(),
        index=place(arrays.index),
        inputs_bf16=arrays.inputs.dtype is torch.bfloat16,
        h=arrays.h.data_ptr(),
        c=arrays.c.data_ptr(),
        gates=place(arrays.gates),
        stride=0 if arrays.gates is None else arrays.gates.shape[2],
    )
