"""Compiles the layer with the machine's C compiler, once for each family of processors. Loads nothing.

One source; a family adds a header of its instructions and a row here. The compiled files are kept in the sources'
folder, else in the user's cache, and are named after all that they are made from.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.settings import user_cache_dir

FOLDER = Path(__file__).parent
#: What is compiled, and what that includes.
SOURCES = ("lstm.c", "pack.c", "write.c")
HEADERS = ("vectors.h", "bfloat16.h", "choose.h", "narrow.h", "avx512.h", "avx2.h")
#: No -march=native: an image may be built on one processor and run on another. Sums are rounded as they are written.
FLAGS = ("-O3", "-ffp-contract=off", "-shared", "-fPIC")
_MAX_COMPILING_S = 120


class KernelUnavailable(Exception):
    """There is no compiled layer here, and why."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Processors that run the same compiled file."""

    #: As the setting `CHARLOOM_KERNEL` has it.
    name: str
    title: str
    header: str
    machine: str
    #: In /proc/cpuinfo.
    needs: tuple[str, ...]
    flags: tuple[str, ...]


_AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "fma")
_AVX512_FLAGS = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma")


def _avx512(name: str, title: str, *more: str) -> Family:
    return Family(
        name=name,
        title=title,
        header="avx512.h",
        machine="x86_64",
        needs=_AVX512 + tuple(flag.replace("avx512bf16", "avx512_bf16").replace("-", "_") for flag in more),
        flags=(*_AVX512_FLAGS, *(f"-m{flag}" for flag in more)),
    )


#: The fastest first.
FAMILIES = (
    _avx512("amx", "AVX-512 and AMX", "avx512bf16", "amx-tile", "amx-bf16"),
    _avx512("bf16", "AVX-512 with bfloat16", "avx512bf16"),
    _avx512("avx512", "AVX-512"),
    Family(
        name="avx2",
        title="AVX2",
        header="avx2.h",
        machine="x86_64",
        needs=("avx2", "fma"),
        flags=("-mavx2", "-mfma"),
    ),
)


@cache
def processor_flags() -> frozenset[str]:
    """Return the instructions that the processor and its system support, as Linux names them."""
    try:
        lines = Path("/proc/cpuinfo").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "").split()
    )


def supported() -> list[Family]:
    """Return the families that this processor belongs to, the fastest first. Raises KernelUnavailable."""
    if platform.system() != "Linux" or platform.machine() not in {family.machine for family in FAMILIES}:
        raise KernelUnavailable(f"it is written for Linux on x86_64, not for {platform.system()} {platform.machine()}")
    found = [family for family in FAMILIES if processor_flags().issuperset(family.needs)]
    if not found:
        raise KernelUnavailable("this processor has neither AVX-512 nor AVX2")
    return found


def _digest() -> str:
    digest = hashlib.sha256(repr((FLAGS, FAMILIES)).encode())
    for name in SOURCES + HEADERS:
        digest.update((FOLDER / name).read_bytes())
    return digest.hexdigest()[:12]


def file_name(family: Family) -> str:
    """Return the compiled file's name, which changes with all that it is made from."""
    return f"lstm-{_digest()}-{family.name}.so"


def folders() -> list[Path]:
    """Return where the compiled files are looked for, and made: beside their sources, else in the user's cache."""
    try:
        return [FOLDER, user_cache_dir()]
    except RuntimeError:  # a user without a home directory
        return [FOLDER]


def build(family: Family) -> Path:
    """Return the compiled file, made first where it isn't there. Raises KernelUnavailable."""
    name = file_name(family)
    for folder in folders():
        if (folder / name).exists():
            return folder / name
    compiler = next((found for command in ("gcc", "cc") if (found := shutil.which(command))), None)
    if compiler is None:
        raise KernelUnavailable("there is no C compiler (gcc) here")
    made = _temporary_file()
    try:
        header = f'-DFAMILY="{family.header}"'
        sources = (str(FOLDER / source) for source in SOURCES)
        words = [compiler, *FLAGS, *family.flags, header, "-o", str(made), *sources]
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
        if not old.name.startswith(f"lstm-{_digest()}-"):
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
