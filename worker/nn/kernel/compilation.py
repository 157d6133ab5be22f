"""Compiles the layer with a C compiler, once for each family of processors. Loads nothing.

One source; a family adds a header of its instructions and a row here. The compiled files are kept in the sources'
folder, else in the user's cache, and are named after all that they are made from.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from shared.settings import environment, user_cache_dir

FOLDER = Path(__file__).parent
#: What is compiled, and what that includes.
SOURCES = ("adam.c", "lstm.c", "muon.c", "output.c", "pack.c", "run.c", "write.c")
HEADERS = (
    "vectors.h",
    "bfloat16.h",
    "choose.h",
    "clip.h",
    "eight.h",
    "lstm_eight.h",
    "meet.h",
    "narrow.h",
    "avx512.h",
    "avx2.h",
    "neon.h",
)
#: No -march=native: an image may be built on one processor and run on another. Sums are rounded as they are written. A
#: root is an instruction, not a call that sets errno.
FLAGS = ("-O3", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC")
#: Zig takes minutes on a busy machine.
_MAX_COMPILING_S = 300
_SYSTEMS = ("Linux", "Darwin")
_ZIG = "ziglang"
#: That of the packages' own compiled files (manylinux2014).
_OLDEST_GLIBC = "2.17"


class KernelUnavailable(Exception):
    """There is no compiled layer here, and why."""


class NoCompiler(KernelUnavailable):
    """No compiler here can compile it: there is none, or each refused."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Processors that run the same compiled file."""

    #: As the setting `CHARLOOM_KERNEL` has it.
    name: str
    title: str
    header: str
    machine: str
    #: In /proc/cpuinfo; nothing where all processors of the architecture are members.
    needs: tuple[str, ...]
    flags: tuple[str, ...]


_AVX512 = ("avx512f", "avx512bw", "avx512dq", "avx512vl", "fma")
_LINUX_NAMES = {"avx512bf16": "avx512_bf16", "avx512vnni": "avx512_vnni"}
_AVX512_FLAGS = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma")


def _avx512(name: str, title: str, *more: str) -> Family:
    return Family(
        name=name,
        title=title,
        header="avx512.h",
        machine="x86_64",
        needs=_AVX512 + tuple(_LINUX_NAMES.get(flag, flag.replace("-", "_")) for flag in more),
        flags=(*_AVX512_FLAGS, *(f"-m{flag}" for flag in more)),
    )


#: The fastest first.
FAMILIES = (
    _avx512("amx", "AVX-512 and AMX", "avx512bf16", "amx-tile", "amx-bf16"),
    # All of these have VNNI.
    _avx512("bf16", "AVX-512 with bfloat16", "avx512bf16", "avx512vnni"),
    _avx512("vnni", "AVX-512 with VNNI", "avx512vnni"),
    _avx512("avx512", "AVX-512"),
    # Intel's Core processors from 2021 on, which have no AVX-512.
    Family(
        name="avx-vnni",
        title="AVX2 with VNNI",
        header="avx2.h",
        machine="x86_64",
        needs=("avx2", "fma", "avx_vnni"),
        flags=("-mavx2", "-mfma", "-mavxvnni"),
    ),
    Family(
        name="avx2",
        title="AVX2",
        header="avx2.h",
        machine="x86_64",
        needs=("avx2", "fma"),
        flags=("-mavx2", "-mfma"),
    ),
    Family(
        name="neon-bf16",
        title="NEON with bfloat16",
        header="neon.h",
        machine="aarch64",
        needs=("bf16", "asimddp"),
        flags=("-march=armv8.2-a+bf16+dotprod",),
    ),
    # Apple's, Graviton2, Neoverse N1, Cortex-A76 and later.
    Family(
        name="neon-dot",
        title="NEON with dot products",
        header="neon.h",
        machine="aarch64",
        needs=("asimddp",),
        flags=("-march=armv8.2-a+dotprod",),
    ),
    # Every 64-bit ARM processor has it.
    Family(name="neon", title="NEON", header="neon.h", machine="aarch64", needs=(), flags=()),
)


def machine() -> str:
    """Return this processor's architecture, as Linux names it."""
    return platform.machine().replace("arm64", "aarch64")


@cache
def processor_flags() -> frozenset[str]:
    """Return the instructions that the processor and its system support, as Linux names them."""
    if platform.system() == "Darwin":
        return frozenset({"asimddp"}) if machine() == "aarch64" else frozenset()
    try:
        lines = Path("/proc/cpuinfo").read_text("ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(
        next((line.partition(":")[2] for line in lines if line.startswith(("flags", "Features"))), "").split()
    )


def supported() -> list[Family]:
    """Return the families that this processor belongs to, the fastest first. Raises KernelUnavailable."""
    here = [family for family in FAMILIES if family.machine == machine()]
    if platform.system() not in _SYSTEMS or not here:
        raise KernelUnavailable(f"it isn't written for {platform.system()} on {platform.machine()}")
    found = [family for family in here if processor_flags().issuperset(family.needs)]
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
    """Return where the compiled files are looked for, and made: next to their sources, else in the user's cache."""
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
    made, refused = _temporary_file(), []
    try:
        for compiler in _compilers():
            try:
                _compile(compiler, family, made)
            except subprocess.CalledProcessError as exc:
                refused.append(f"{compiler[0]} refused it: {exc.stderr.strip()[:500]}")
            except (OSError, subprocess.TimeoutExpired) as exc:
                refused.append(f"it couldn't be compiled: {exc}")
            else:
                made.chmod(0o644)
                path = made.replace(made.with_name(name))
                break
        else:
            raise NoCompiler(
                "; ".join(refused) or "there is no C compiler here (gcc, cc, clang or the package ziglang)"
            )
    finally:
        made.unlink(missing_ok=True)
    for old in path.parent.glob("lstm-*.so"):
        if not old.name.startswith(name.removesuffix(f"{family.name}.so")):
            old.unlink(missing_ok=True)
    return path


def _compilers() -> Iterator[list[str]]:
    """Yield the commands of this machine's compilers, then that of the package `ziglang` if it is installed."""
    for command in ("gcc", "cc", "clang"):
        if (found := shutil.which(command)) is not None:
            yield [found]
    if importlib.util.find_spec(_ZIG) is not None:
        # Without a target it would compile for the very processor that it runs on.
        system = "macos" if platform.system() == "Darwin" else f"linux-gnu.{_OLDEST_GLIBC}"
        yield [sys.executable, "-m", _ZIG, "cc", "-target", f"{machine()}-{system}"]


def _compile(compiler: Sequence[str], family: Family, to: Path) -> None:
    header = f'-DFAMILY="{family.header}"'
    sources = (str(FOLDER / source) for source in SOURCES)
    flags = family.flags
    if _ZIG in compiler:  # which names processors in another way
        flags = tuple(flag.replace("-march=armv8.2-a", "-mcpu=generic+v8_2a") for flag in flags)
    words = [*compiler, *FLAGS, *flags, header, "-o", str(to), *sources]
    with tempfile.TemporaryDirectory(prefix="charloom-") as cache_dir:
        # Zig compiles its runtime, too, and would keep it in the user's cache.
        variables = environment(ZIG_GLOBAL_CACHE_DIR=cache_dir, ZIG_LOCAL_CACHE_DIR=cache_dir)
        subprocess.run(words, env=variables, check=True, capture_output=True, text=True, timeout=_MAX_COMPILING_S)


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
