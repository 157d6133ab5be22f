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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from worker.nn.kernel import Kernel
from worker.nn.kernel.compilation import FLAGS, FOLDER, HEADERS, SOURCES, Family
from worker.nn.kernel.structures import Kind

_COMPILER, _EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
_FUNCTIONS = ("forward", "backward", "pack", "dropout", "muon", "read", "write", "output")
_ARGUMENTS = 7
#: Where compiled programs stay for the next run; `make clean` removes it.
_KEPT = Path(__file__).parents[3] / ".pytest_cache"
#: An address and how many bytes are there.
Place = tuple[int | None, int]


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
        self._library: Any = _Library(_compile(family, sources))
        self.family, self.strip, self.own_threads = family, 16, None
        self.bfloat16 = Kind.BFLOAT16 if family.name == "neon-bf16" else None


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

    def __init__(self, program: Path) -> None:
        self._program, self._lock = program, threading.Lock()

    def charloom_forward(self, sequence: Any, number: int, threads: int) -> None:
        self._call("forward", sequence._obj, number, threads, sizes=_of_sequence(sequence._obj, threads))

    def charloom_backward(self, sequence: Any, number: int, threads: int) -> None:
        self._call("backward", sequence._obj, number, threads, sizes=_of_sequence(sequence._obj, threads))

    def charloom_pack(
        self, kind: int, units: int, number: int, threads: int, weights: int, forward: int, backward: int
    ) -> None:
        size, width = 4 * units * units, Kind(kind).dtype.itemsize
        padded = (backward, width * 4 * units * -(-units // 64) * 64)
        self._call("pack", int(kind), units, number, threads, (weights, 4 * size), (forward, width * size), padded)

    def charloom_dropout(self, begin: int, end: int, seed: int, share: float, numbers: int, found: int) -> None:
        [bits] = struct.unpack("q", struct.pack("d", share))
        self._call("dropout", begin, end, seed, bits, (numbers, 4 * end), (found, 4 * end))

    def charloom_muon(self, muon: Any, number: int, threads: int) -> None:
        size, given = 4 * muon._obj.units**2, muon._obj
        sizes = dict.fromkeys(("grads", "averages", "weights"), given.matrices * size)
        sizes |= {"coefficients": 12 * given.rounds, "scratch": threads * (4 if given.paired else 3) * size}
        self._call("muon", given, number, threads, sizes=sizes)

    def charloom_output(self, output: Any, number: int, threads: int) -> None:
        self._call("output", output._obj, number, threads, sizes=_of_output(output._obj, threads))

    def charloom_read(self, writing: Any, count: int, codes: int, scratch: int) -> None:
        places = (codes, 4 * count), (scratch, 0 if writing._obj.window else 20 * count * writing._obj.units)
        self._call("read", writing._obj, count, *places, sizes=_of_writing(writing._obj, 1))

    def charloom_write(self, writing: Any, number: int, threads: int, count: int, draws: int, codes: int) -> None:
        texts = 1 if writing._obj.window else writing._obj.lanes
        places = (draws, 8 * texts * count), (codes, 4 * texts * count)
        self._call("write", writing._obj, number, threads, count, *places, sizes=_of_writing(writing._obj, threads))

    def _call(self, name: str, *arguments: Any, sizes: Mapping[str, int] | None = None) -> None:
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

    def put_structure(self, at: int, given: ctypes.Structure, sizes: Mapping[str, int]) -> None:
        """Put a structure whose pointers, fields or fields of fields, are to so many bytes."""
        begin = self._append(ctypes.addressof(given), ctypes.sizeof(given))
        self._point(at, begin)
        self._structures.append((begin, given))
        for name, size in sizes.items():
            place = begin + getattr(type(given), name).offset
            self.put(place, 0)
            self.put_pointer(place, (getattr(given, name), size))

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


def _of_sequence(s: Any, threads: int) -> dict[str, int]:
    """Return what the pointers of `struct sequence` (lstm.c) are to, in bytes."""
    narrow = Kind(s.kind).dtype.itemsize
    places, units, sums = s.positions * s.rows, s.units, 4 * s.units
    indices = (ctypes.c_int32 * places).from_address(s.index) if s.index else range(places)
    padded, copies = -(-units // 64) * 64, threads * 129 * 5 * (units + 64) if s.weight_grads else 0
    states = (s.positions + 1) * s.rows * units
    return {
        "weights": narrow * sums * (padded if s.scratch else units),
        "inputs": (2 if s.inputs_bf16 else 4) * (max(indices) + 1) * sums,
        "index": 4 * places,
        "h": narrow * states,
        "c": 4 * (states if s.gates else s.rows * units),
        "gates": narrow * places * s.stride,
        "out_grads": narrow * places * units,
        "last_grads": 4 * s.rows * units,
        "table_grads": 4 * threads * s.table_rows * sums,
        "weight_grads": 4 * threads * sums * units,
        "scratch": 4 * (s.rows * (padded + units) + copies),
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
        "losses": 8 * s.rows,
        "h_grads": outputs,
        "weight_grads": 4 * threads * columns * s.units,
        "bias_grads": 4 * threads * columns,
        "scratch": 4 * threads * s.room,
    }


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
