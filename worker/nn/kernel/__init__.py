"""The LSTM layer as one compiled pass over a sequence: building it, finding it, calling it. Knows no models.

`lstm.c` computes the layer, `write.c` writes with it (`lanes.py` calls that). Both are compiled into one file by the
machine's C compiler when Charloom is set up, and by a worker that starts without it. Where
there is no compiler, or the processor has no AVX-512, `load` returns None and callers take torch's own LSTM: the same
mathematics, slower, other last digits.
"""

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.settings import user_cache_dir

log = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
#: What is compiled, and what that includes.
SOURCES, HEADERS = ("lstm.c", "write.c"), ("vectors.h",)
#: No -march=native: an image may be built on one processor and run on another. Wider ones are asked for in the source.
FLAGS = ("-O3", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-fopenmp", "-shared", "-fPIC")
#: The units of a layer must be a multiple of this.
UNITS = 32
_MAX_COMPILING_S = 120
_INT, _POINTER = ctypes.c_int64, ctypes.c_void_p


class KernelUnavailable(Exception):
    """There is no compiled layer here, and why."""


class Kind(IntEnum):
    """What products are computed with; numbered as in lstm.c."""

    FLOAT32 = 0
    BFLOAT16 = 1
    BFLOAT16_TILES = 2

    @property
    def dtype(self) -> torch.dtype:
        """What h and gates are kept in."""
        return torch.float32 if self is Kind.FLOAT32 else torch.bfloat16


class _Sequence(ctypes.Structure):
    """`struct sequence` of lstm.c."""

    _fields_ = (
        ("kind", _INT), ("positions", _INT), ("rows", _INT), ("units", _INT), ("threads", _INT),
        ("weights", _POINTER), ("inputs", _POINTER), ("index", _POINTER), ("inputs_bf16", _INT),
        ("h", _POINTER), ("c", _POINTER), ("gates", _POINTER), ("stride", _INT),
        ("out_grads", _POINTER), ("last_grads", _POINTER), ("table_grads", _POINTER), ("table_rows", _INT),
        ("weight_grads", _POINTER),
    )  # fmt: skip


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


class Kernel:
    """The compiled layer. Arrays must be contiguous; nothing is checked, so this is for fused.py and lanes.py alone."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.charloom_forward.argtypes = library.charloom_backward.argtypes = [ctypes.POINTER(_Sequence)]
        library.charloom_forward.restype = library.charloom_pack.restype = None
        library.charloom_pack.argtypes = [_INT, _INT, _POINTER, _POINTER, _POINTER]
        library.charloom_dropout.restype = None
        library.charloom_dropout.argtypes = [_INT, _INT, ctypes.c_uint32, ctypes.c_double, _POINTER, _POINTER]
        library.charloom_read.restype = library.charloom_write.restype = None
        library.charloom_read.argtypes = [_POINTER, _INT, _POINTER, _POINTER]
        library.charloom_write.argtypes = [_POINTER, _INT, _POINTER, _POINTER]
        # torch has no public names for these yet.
        tiles = torch.cpu._is_amx_tile_supported() and not library.charloom_ask_for_tiles()  # noqa: SLF001
        dot = torch.cpu._is_avx512_bf16_supported()  # noqa: SLF001
        #: Kind of bfloat16 products here, or None.
        self.bfloat16 = Kind.BFLOAT16_TILES if tiles and dot else Kind.BFLOAT16 if dot else None

    def pack(self, kind: Kind, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return the recurrent weights, (4 H, H) float32 in torch's order, as each direction reads them."""
        units = weights.shape[1]
        forward = torch.empty(4 * units * units, dtype=kind.dtype)
        backward = torch.empty(4 * units * -(-units // 64) * 64, dtype=kind.dtype)
        self._library.charloom_pack(kind, units, weights.data_ptr(), forward.data_ptr(), backward.data_ptr())
        return forward, backward

    def forward(self, arrays: Pass, weights: Tensor) -> None:
        """Fill `h`, `c` and `gates`."""
        self._library.charloom_forward(ctypes.byref(_sequence(arrays, weights)))

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
            table_grads: (threads, n, G) float32 zeros: of `inputs`, by index, each thread's apart.
            weight_grads: (threads, G, H) float32 zeros: of the weights, each thread's apart. For FLOAT32.
        """
        sequence = _sequence(arrays, weights)
        sequence.out_grads, sequence.last_grads = _place(out_grads), _place(last_grads)
        sequence.table_grads, sequence.weight_grads = _place(table_grads), _place(weight_grads)
        sequence.table_rows = 0 if table_grads is None else table_grads.shape[1]
        if self._library.charloom_backward(ctypes.byref(sequence)):
            raise MemoryError("the backward pass got no memory")

    def dropout(self, numbers: Tensor, *, share: float, seed: int, threads: int) -> Tensor:
        """Return numbers of which that share is zero, the others scaled up; the seed (32 bits) says which.

        numbers: of any shape, contiguous, float32, a multiple of 16 of them.
        """
        found = torch.empty_like(numbers)
        self._library.charloom_dropout(threads, numbers.numel(), seed, share, numbers.data_ptr(), found.data_ptr())
        return found

    def read(self, writing: ctypes.Structure, codes: NDArray[np.int32], room: Tensor) -> None:
        """Let a text read more of its prompt, (T,); without a window there is room for 5 T H numbers."""
        self._library.charloom_read(ctypes.byref(writing), len(codes), codes.ctypes.data, room.data_ptr())

    def write(self, writing: ctypes.Structure, draws: NDArray[np.float64] | None, codes: NDArray[np.int32]) -> None:
        """Write as many characters of each text as there is room for, (texts, T), by as many numbers in 0..1."""
        place = None if draws is None else draws.ctypes.data
        self._library.charloom_write(ctypes.byref(writing), codes.shape[1], place, codes.ctypes.data)


def _place(array: Tensor | None) -> int | None:
    return None if array is None else array.data_ptr()


def _sequence(arrays: Pass, weights: Tensor) -> _Sequence:
    positions, rows, units = arrays.h.shape
    return _Sequence(
        kind=arrays.kind,
        positions=positions - 1,
        rows=rows,
        units=units,
        threads=arrays.threads,
        weights=weights.data_ptr(),
        inputs=arrays.inputs.data_ptr(),
        index=_place(arrays.index),
        inputs_bf16=arrays.inputs.dtype is torch.bfloat16,
        h=arrays.h.data_ptr(),
        c=arrays.c.data_ptr(),
        gates=_place(arrays.gates),
        stride=0 if arrays.gates is None else arrays.gates.shape[2],
    )


def file_name() -> str:
    """Return the compiled file's name, which changes with all that it is made from."""
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for name in SOURCES + HEADERS:
        digest.update((FOLDER / name).read_bytes())
    return f"lstm-{digest.hexdigest()[:12]}.so"


def folders() -> list[Path]:
    """Return where the compiled file is looked for, and made: beside its sources, else in the user's cache."""
    try:
        return [FOLDER, user_cache_dir()]
    except RuntimeError:  # a user without a home directory
        return [FOLDER]


def build() -> Path:
    """Return the compiled file, made first where it isn't there. Raises KernelUnavailable."""
    name = file_name()
    for folder in folders():
        if (folder / name).exists():
            return folder / name
    if platform.machine() != "x86_64" or platform.system() != "Linux":
        raise KernelUnavailable(f"it is written for Linux on x86_64, not for {platform.system()} {platform.machine()}")
    compiler = next((found for command in ("gcc", "cc") if (found := shutil.which(command))), None)
    if compiler is None:
        raise KernelUnavailable("there is no C compiler (gcc) here")
    made = _temporary_file()
    try:
        words = [compiler, *FLAGS, "-o", str(made), *(str(FOLDER / source) for source in SOURCES)]
        subprocess.run(words, check=True, capture_output=True, text=True, timeout=_MAX_COMPILING_S)
        made.chmod(0o644)
        path = made.replace(made.with_name(name))
    except subprocess.CalledProcessError as exc:
        raise KernelUnavailable(f"{compiler} refused it: {exc.stderr.strip()[:500]}") from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise KernelUnavailable(f"it couldn't be compiled: {exc}") from exc
    finally:
        made.unlink(missing_ok=True)
    for old in path.parent.glob("lstm-*.so"):
        if old != path:
            old.unlink(missing_ok=True)
    return path


def _temporary_file() -> Path:
    """Make a file to compile into, in the first of the folders that takes one. Raises KernelUnavailable."""
    refused: list[str] = []
    for folder in folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(dir=folder, prefix=".lstm-", suffix=".so")
        except OSError as exc:
            refused.append(f"{folder} takes no files: {exc.strerror}")
            continue
        os.close(handle)
        return Path(made)
    raise KernelUnavailable("; ".join(refused))


def find() -> Kernel:
    """Return the compiled layer, compiled first where it isn't. Raises KernelUnavailable, saying why there is none."""
    path = build()
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        raise KernelUnavailable("this processor has no AVX-512")
    try:
        # torch is loaded, and with it the OpenMP that both then share.
        return Kernel(ctypes.CDLL(str(path)))
    except (OSError, AttributeError) as exc:
        raise KernelUnavailable(f"{path.name} can't be loaded: {exc}") from exc


@cache
def load() -> Kernel | None:
    """Return the compiled layer, or None where there is none."""
    try:
        return find()
    except KernelUnavailable as exc:
        log.warning("The LSTM layer is torch's own, which is several times slower: %s", exc)
        return None
