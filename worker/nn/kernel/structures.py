"""The structures that the compiled functions take, as in their C sources."""

import ctypes
import math
from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

_INT, _POINTER = ctypes.c_int64, ctypes.c_void_p


class Kind(IntEnum):
    """What products are computed with; numbered as in lstm.c."""

    FLOAT32 = 0
    BFLOAT16 = 1
    BFLOAT16_TILES = 2
    EIGHT_BITS = 3

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
        ("weight_grads", _POINTER), ("scales", _POINTER), ("begins", _POINTER), ("eight", _POINTER),
        ("eight_room", _INT), ("scratch", _POINTER),
    )  # fmt: skip


class WeightArguments(ctypes.Structure):
    """`struct weights` of pack.c."""

    _fields_ = (
        ("kind", _INT), ("units", _INT), ("recurrent", _POINTER), ("share", ctypes.c_double), ("seed", ctypes.c_uint32),
        ("forward", _POINTER), ("backward", _POINTER), ("scales", _POINTER), ("begins", _POINTER),
        ("vocabulary", _INT), ("width", _INT), ("characters", _POINTER), ("inputs", _POINTER),
        ("input_bias", _POINTER), ("recurrent_bias", _POINTER),
        ("table", _POINTER), ("scratch", _POINTER),
    )  # fmt: skip


class WeightGradArguments(ctypes.Structure):
    """`struct weight_grads` of pack.c."""

    _fields_ = (
        ("units", _INT), ("parts", _INT), ("recurrent", _POINTER), ("share", ctypes.c_double),
        ("seed", ctypes.c_uint32), ("vocabulary", _INT), ("width", _INT), ("table_parts", _INT), ("table", _POINTER),
        ("characters", _POINTER), ("inputs", _POINTER), ("character_grads", _POINTER), ("input_grads", _POINTER),
        ("bias_grads", _POINTER), ("scratch", _POINTER),
    )  # fmt: skip


class Losses(ctypes.Structure):
    """`struct loss` of output.c."""

    _fields_ = (("below", ctypes.c_double), ("product", ctypes.c_double), ("scalings", _INT))

    @property
    def sum(self) -> float:
        """The losses of these rows, in nats."""
        found: float = self.below + math.log(self.product) + 300 * self.scalings * math.log(2)
        return found


class OutputArguments(ctypes.Structure):
    """`struct output` of output.c."""

    _fields_ = (
        ("paired", _INT), ("parts", _INT), ("rows", _INT), ("batch", _INT), ("units", _INT), ("vocabulary", _INT),
        ("h", _POINTER), ("kept", _POINTER), ("weights", _POINTER), ("bias", _POINTER), ("targets", _POINTER),
        ("factor", ctypes.c_float), ("losses", _POINTER), ("h_grads", _POINTER), ("grads", _POINTER),
        ("scratch", _POINTER), ("room", _INT),
    )  # fmt: skip


class ClipArguments(ctypes.Structure):
    """`struct clip` of clip.h."""

    _fields_ = (("squares", _POINTER), ("parts", _INT), ("max_norm", ctypes.c_double))


class MuonArguments(ctypes.Structure):
    """`struct muon` of muon.c."""

    _fields_ = (
        ("paired", _INT), ("matrices", _INT), ("units", _INT), ("rounds", _INT), ("coefficients", _POINTER),
        ("momentum", ctypes.c_float), ("kept", ctypes.c_float), ("size", ctypes.c_float),
        ("clip", ClipArguments), ("grads", _POINTER), ("averages", _POINTER), ("weights", _POINTER),
        ("scratch", _POINTER),
    )  # fmt: skip


class AdamWeight(ctypes.Structure):
    """`struct weight` of adam.c."""

    _fields_ = (
        ("size", _INT), ("grads", _POINTER), ("weights", _POINTER), ("averages", _POINTER), ("squares", _POINTER),
        ("step", ctypes.c_float), ("root", ctypes.c_float),
    )  # fmt: skip


class AdamArguments(ctypes.Structure):
    """`struct adam` of adam.c."""

    _fields_ = (
        ("count", _INT), ("weights", _POINTER), ("momentum", ctypes.c_float), ("keep", ctypes.c_float),
        ("least", ctypes.c_float), ("clip", ClipArguments),
    )  # fmt: skip


class Task(NamedTuple):
    """A compiled function that threads share, its name without the prefix."""

    function: str
    arguments: ctypes.Structure
    threads: int


class TaskArguments(ctypes.Structure):
    """`struct task` of run.c."""

    _fields_ = (("function", _POINTER), ("arguments", _POINTER), ("threads", _INT))


#: Functions that tasks can name.
TASKS = ("pack", "forward", "backward", "collect", "output", "collect_output", "squares", "adam", "muon")


def place(array: Tensor | None) -> int | None:
    """Return where an array begins."""
    return None if array is None else array.data_ptr()
