"""The compiled layer of another processor, emulated: each call sends a copy of the memory there and back.

That takes a cross compiler and qemu's emulation of single programs (Debian: gcc-aarch64-linux-gnu, qemu-user).
"""

import ctypes
import hashlib
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from worker.nn.kernel import NO_EIGHT_BITS, Kernel
from worker.nn.kernel.compilation import FLAGS, FOLDER, HEADERS, SOURCES, Family
from worker.nn.kernel.structures import TASKS, AdamWeight, Kind, Losses, Task

_COMPILER, _EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
_FUNCTIONS = (*TASKS, "read", "write")
_ARGUMENTS = 7
#: Where compiled programs stay for the next run; `make clean` removes it.
_KEPT = Path(__file__).parents[3] / ".pytest_cache"
#: An address and how many bytes are there.
Place = tuple[int | None, int]
#: Of each pointer in a structure, how many bytes it is to, or what the structures there point to; of a structure in it,
#: the same.
Sizes = Mapping[str, "int | Sizes | list[Sizes]"]


class EmulatedKernel(Kernel):
    """The layer of a family that this processor doesn't belong to.

    Args:
        family: the family.
        sources: what is compiled, for seconds; functions that are in none of these can't be called.
    """

    def __init__(self, family: Family, sources: Sequence[str] = SOURCES) -> None:
        for command in (_COMPILER, _EMULATOR):
            if shutil.which(command) is None:
                pytest.skip(f"there is no {command} here")
        self.family, self.strip, self.own_threads, self._scratch = family, 16, None, {}
        self.bfloat16 = Kind.BFLOAT16 if family.name == "neon-bf16" else None
        self.eight_bits = family.name not in NO_EIGHT_BITS
        self._library: Any = _Library(_compile(family, sources), kept=2 if self.bfloat16 else 4)

    def run(self, *tasks: Task) -> None:
        for task in tasks:
            for number in range(task.threads):
                self._library.run(task, number)


def _compile(family: Family, names: Sequence[str]) -> Path:
    """Return the program, compiled unless an earlier run of the tests has compiled the very same."""
    flags = [flag for flag in FLAGS if flag != "-shared"]
    sources = [Path(__file__).with_suffix(".c"), *(FOLDER / name for name in names)]
    words = [_COMPILER, *flags, *family.flags, "-Wall", "-Wextra", "-Werror", "-static", f'-DFAMILY="{family.header}"']
    version = subprocess.run([_COMPILER, "--version"], check=True, capture_output=True).stdout
    digest = hashlib.sha256(repr(words).encode() + version)
    for path in (*sources, *(FOLDER / name for name in HEADERS)):
        digest.update(path.read_bytes())
    program = _KEPT / f"emulation-{digest.hexdigest()[:12]}-{family.name}"
    if not program.exists():
        _KEPT.mkdir(exist_ok=True)
        for old in _KEPT.glob(f"emulation-*-{family.name}"):
            old.unlink()
        with tempfile.TemporaryDirectory(dir=_KEPT) as folder:
            made = Path(folder) / program.name
            subprocess.run([*words, "-o", str(made), *map(str, sources), "-lm"], check=True)
            made.replace(program)
    return program


class _Library:
    """What ctypes.CDLL is for this processor's own."""

    def __init__(self, program: Path, *, kept: int) -> None:
        self._program, self._lock = program, threading.Lock()
        #: Bytes of a number of h and of gates but in FLOAT32.
        self._kept = kept

    def run(self, task: Task, number: int) -> None:
        if task.function in ("forward", "backward"):
            sizes: Sizes = _of_sequence(task.arguments, task.threads, self._kept)
        else:
            sizes = _SIZES[task.function](task.arguments, task.threads)
        self._call(task.function, task.arguments, number, task.threads, sizes=sizes)

    def charloom_read(
        self, writing: Any, _arrived: Any, number: int, threads: int, count: int, codes: int, scratch: int
    ) -> None:
        places = (codes, 4 * count), (scratch, 0 if writing._obj.window else 20 * count * writing._obj.units)
        self._call_writing("read", writing, number, threads, count, *places)

    def charloom_write(
        self, writing: Any, _arrived: Any, number: int, threads: int, count: int, draws: int, codes: int
    ) -> None:
        texts = 1 if writing._obj.window else writing._obj.lanes
        self._call_writing(
            "write", writing, number, threads, count, (draws, 8 * texts * count), (codes, 4 * texts * count)
        )

    def _call_writing(self, name: str, writing: Any, number: int, threads: int, *arguments: Any) -> None:
        assert threads == 1 or not writing._obj.window, "threads that are emulated apart can't meet"
        sizes = _of_writing(writing._obj, threads)
        self._call(name, writing._obj, 0, number, threads, *arguments, sizes=sizes)

    def _call(self, name: str, *arguments: Any, sizes: Sizes | None = None) -> None:
        with self._lock:  # each call copies all of the memory, what other threads write as well
            memory = _Memory()
            for number, argument in enumerate(arguments):
                if isinstance(argument, ctypes.Structure):
                    memory.put_structure(8 * number, argument, sizes or {})
                elif isinstance(argument, tuple):
                    memory.put_pointer(8 * number, argument)
                else:
                    memory.put(8 * number, argument)
            memory.run(self._program, _FUNCTIONS.index(name))


class _Memory:
    """The emulated program's memory: first the arguments, then what they point to."""

    def __init__(self) -> None:
        self._bytes = bytearray(8 * _ARGUMENTS)
        self._pointers: list[int] = []
        self._copies: list[tuple[int, int, int]] = []
        self._structures: list[tuple[int, ctypes.Structure]] = []

    def put(self, at: int, value: int) -> None:
        struct.pack_into("q", self._bytes, at, value)

    def put_pointer(self, at: int, place: Place) -> None:
        address, size = place
        if address and size:
            self._copies.append((address, self._append(address, size), size))
            self._point(at, self._copies[-1][1])

    def put_structure(self, at: int, given: ctypes.Structure, sizes: Sizes) -> None:
        """Put a structure, and what its pointers are to."""
        begin = self._append(ctypes.addressof(given), ctypes.sizeof(given))
        self._point(at, begin)
        self._structures.append((begin, given))
        self._put_fields(begin, given, sizes)

    def _put_fields(self, begin: int, given: ctypes.Structure, sizes: Sizes) -> None:
        for name, size in sizes.items():
            place, value = begin + getattr(type(given), name).offset, getattr(given, name)
            if isinstance(size, int):
                self.put(place, 0)
                self.put_pointer(place, (value, size))
            elif isinstance(size, Mapping):
                self._put_fields(place, value, size)
            else:
                each = ctypes.sizeof(AdamWeight)
                array = self._append(value, each * len(size))
                self._point(place, array)
                for number, of_element in enumerate(size):
                    element = AdamWeight.from_address(value + number * each)
                    self._put_fields(array + number * each, element, of_element)

    def run(self, program: Path, function: int) -> None:
        """Let the program call the function, and copy back what has changed."""
        head = struct.pack(
            f"3q{len(self._pointers)}q", function, len(self._bytes), len(self._pointers), *self._pointers
        )
        command = [_EMULATOR, "-cpu", "max", str(program)]
        done = subprocess.run(command, input=head + self._bytes, capture_output=True, check=True)
        assert len(done.stdout) == len(self._bytes)
        for address, at, size in self._copies:
            ctypes.memmove(address, done.stdout[at : at + size], size)
        for begin, given in self._structures:
            for name, kind, *_ in given._fields_:
                if kind is ctypes.c_int64:
                    setattr(
                        given, name, struct.unpack_from("q", done.stdout, begin + getattr(type(given), name).offset)[0]
                    )

    def _append(self, address: int, size: int) -> int:
        self._bytes += bytes(-len(self._bytes) % 64)
        self._bytes += ctypes.string_at(address, size)
        return len(self._bytes) - size

    def _point(self, at: int, place: int) -> None:
        self._pointers.append(at)
        self.put(at, place)


def _bytes_of_weight(s: Any) -> int:
    return 1 if s.kind == Kind.EIGHT_BITS else Kind(s.kind).dtype.itemsize


def _of_sequence(s: Any, threads: int, kept: int) -> dict[str, int]:
    """Return what the pointers of `struct sequence` (lstm.c) are to, in bytes."""
    narrow = 4 if s.kind == Kind.FLOAT32 else kept
    places, units, sums = s.positions * s.rows, s.units, 4 * s.units
    indices = (ctypes.c_int32 * places).from_address(s.index) if s.index else range(places)
    padded, copies = -(-units // 64) * 64, threads * 129 * 5 * (units + 64) if s.weight_grads else 0
    states = (s.positions + 1) * s.rows * units
    return {
        "weights": _bytes_of_weight(s) * sums * (padded if s.scratch else units),
        "inputs": (2 if s.inputs_bf16 else 4) * (max(indices) + 1) * sums,
        "index": 4 * places,
        "h": narrow * states,
        "c": 4 * (states if s.gates else s.rows * units),
        "gates": narrow * places * s.stride,
        "out_grads": narrow * places * units,
        "last_grads": 4 * s.rows * units,
        "table_grads": 4 * threads * s.table_rows * sums,
        "weight_grads": 4 * threads * sums * units,
        "scales": 4 * sums,
        "begins": 4 * sums,
        "eight": 4 * threads * s.eight_room,
        "scratch": 4 * (s.rows * (padded + units) + copies),
    }


def _of_weights(s: Any, threads: int) -> dict[str, int]:
    """Return what the pointers of `struct weights` (pack.c) are to, in bytes."""
    narrow, sums = _bytes_of_weight(s), 4 * s.units
    return {
        "recurrent": 4 * sums * s.units,
        "forward": narrow * sums * s.units,
        "backward": narrow * sums * -(-s.units // 64) * 64,
        "scales": 4 * sums,
        "begins": 4 * sums,
        "characters": 4 * s.vocabulary * s.width,
        "inputs": 4 * sums * s.width,
        "input_bias": 4 * sums,
        "recurrent_bias": 4 * sums,
        "table": 4 * s.vocabulary * sums,
        "scratch": 4 * threads * max(64 * s.width, 20 * s.units),
    }


def _of_weight_grads(s: Any, threads: int) -> dict[str, int]:
    """Return what the pointers of `struct weight_grads` (pack.c) are to, in bytes."""
    sums = 4 * s.units
    return {
        "recurrent": 4 * s.parts * sums * s.units,
        "table": 4 * s.table_parts * s.vocabulary * sums,
        "characters": 4 * s.vocabulary * s.width,
        "inputs": 4 * sums * s.width,
        "character_grads": 4 * s.vocabulary * s.width,
        "input_grads": 4 * sums * s.width,
        "bias_grads": 4 * sums,
        "scratch": 4 * threads * (16 * s.vocabulary + 6 * (sums + s.width)),
    }


def _of_output(s: Any, threads: int) -> dict[str, int]:
    """Return what the pointers of `struct output` (output.c) are to, in bytes."""
    columns, outputs = -(-s.vocabulary // 16) * 16, (2 if s.paired else 4) * s.rows * s.units
    return {
        "h": outputs,
        "kept": 4 * s.batch * s.units,
        "weights": 4 * s.vocabulary * s.units,
        "bias": 4 * s.vocabulary,
        "targets": 8 * s.rows,
        "losses": ctypes.sizeof(Losses) * s.parts,
        "h_grads": outputs,
        "grads": 4 * s.parts * columns * (s.units + 1),
        "scratch": 4 * threads * s.room,
    }


def _of_clip(s: Any) -> dict[str, int]:
    return {"squares": 8 * s.parts}


def _of_adam(s: Any, _threads: int) -> Sizes:
    """Return what the pointers of `struct adam` (adam.c) are to, in bytes."""
    weights = (AdamWeight * s.count).from_address(s.weights)
    names = ("grads", "weights", "averages", "squares")
    each: list[Sizes] = [dict.fromkeys(names, 4 * weight.size) for weight in weights]
    return {"weights": each, "clip": _of_clip(s.clip)}


def _of_muon(s: Any, threads: int) -> Sizes:
    """Return what the pointers of `struct muon` (muon.c) are to, in bytes."""
    size = 4 * s.units**2
    sizes = dict.fromkeys(("grads", "averages", "weights"), s.matrices * size)
    scratch = threads * (4 if s.paired else 3) * size
    return {**sizes, "coefficients": 12 * s.rounds, "scratch": scratch, "clip": _of_clip(s.clip)}


def _of_writing(s: Any, threads: int) -> dict[str, int]:
    """Return what the pointers of `struct writing` (write.c) are to, in bytes."""
    sums, padded, texts = 4 * s.units, -(-s.characters // 16) * 16, 1 if s.window else s.lanes
    above = s.layers - 1
    return {
        "table": 4 * s.characters * sums,
        "recurrent": 4 * s.layers * sums * s.units,
        "recurrent_narrow": s.layers * sums * s.units,
        "recurrent_scales": 4 * s.layers * sums,
        "recurrent_begins": 4 * s.layers * sums,
        "inputs": 4 * above * sums * s.units,
        "inputs_narrow": above * sums * s.units,
        "inputs_scales": 4 * above * sums,
        "inputs_begins": 4 * above * sums,
        "biases": 4 * above * sums,
        "out": 4 * padded * s.units,
        "out_narrow": 2 * padded * s.units,
        "out_scales": 8 * padded,
        "out_begins": 8 * padded,
        "out_biases": 4 * padded,
        "h": 8 * s.layers * s.lanes * s.units,
        "c": 4 * s.layers * s.lanes * s.units,
        "newest": 4 * texts,
        "entering": 0,
        "logits": 4 * texts * padded,
        "weights": 8 * threads * -(-s.characters // 8) * 8,
        "heap": 4 * threads * s.characters,
    }


_SIZES: dict[str, Callable[[Any, int], Sizes]] = {
    "pack": _of_weights,
    "collect": _of_weight_grads,
    "output": _of_output,
    "collect_output": _of_output,
    "squares": _of_adam,
    "adam": _of_adam,
    "muon": _of_muon,
}
