"""Checks of this machine: Python, packages, torch, the compiled LSTM layer, cores, memory, the data directory."""

import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from cli.doctor.findings import Finding, bad, note, ok, warn
from cli.service.service import ROOT
from shared.errors import VolumeUnavailable
from shared.host import cores, cpu_quota, memory_bytes, processors
from shared.sizes import size
from shared.volume import Volume

#: The oldest Python that the code runs on.
MIN_PYTHON = (3, 11)
#: Bytes of free disk: fewer than the first stop trainings, fewer than the second are worth a warning.
MIN_FREE, LOW_FREE = 200 << 20, 2 << 30
#: Bytes of memory that a host should have.
LOW_MEMORY = 2 << 30
#: Seconds that loading torch may take from a cold disk.
TORCH_S = 60
_REINSTALL = "Install Charloom again (`make setup` in a checkout)."


def check_machine() -> Iterator[Finding]:
    """Check what every process needs, and what a worker needs."""
    yield _check_python()
    yield _check_packages(required())
    yield from _check_torch()
    yield _check_cores()
    yield from _check_memory()


def required() -> Sequence[Requirement]:
    """Return the requirements of this installation; none in a checkout that isn't installed."""
    try:
        named = requires("charloom") or []
    except PackageNotFoundError:
        return ()
    return [one for one in map(Requirement, named) if one.marker is None or one.marker.evaluate({"extra": ""})]


def check_data(data_dir: Path) -> Iterator[Finding]:
    """Check the data directory and the free space on its disk, without creating anything."""
    if not data_dir.exists():
        parent = next(folder for folder in data_dir.parents if folder.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            yield note("data", f"{data_dir} doesn't exist yet; the first start creates it")
        else:
            yield bad("data", f"{data_dir} doesn't exist and can't be created", f"Let this user write to {parent}.")
        yield _check_space(parent)
        return
    try:
        Volume(data_dir).check()
    except VolumeUnavailable as exc:
        yield bad("data", f"{data_dir} isn't writable: {exc.detail}", "Let this user write to it.")
        return
    if stat.S_IMODE(data_dir.stat().st_mode) & stat.S_IROTH:
        yield warn("data", f"{data_dir} can be read by every user of this machine", f"Run `chmod -R o= {data_dir}`.")
    else:
        yield ok("data", f"{data_dir} is writable")
    yield _check_space(data_dir)


def _check_space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE:
        return bad("disk", f"{size(free)} free", "Free some space: trainings can't save checkpoints.")
    if free < LOW_FREE:
        return warn("disk", f"{size(free)} free", "Free some space: texts, models and checkpoints are stored there.")
    return ok("disk", f"{size(free)} free")


def _check_python() -> Finding:
    if sys.version_info < MIN_PYTHON:
        return bad("python", platform.python_version(), f"Install Python 3.11 or newer. {_REINSTALL}")
    return ok("python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")


def _check_packages(wanted: Sequence[Requirement]) -> Finding:
    missing, other = [], []
    for one in wanted:
        try:
            found = version(one.name)
        except PackageNotFoundError:
            missing.append(one.name)
            continue
        if not one.specifier.contains(found, prereleases=True):
            other.append(f"{one.name} {found}, not {one.specifier}")
    if missing:
        return bad("packages", f"missing: {', '.join(missing)}", _REINSTALL)
    if other:
        return warn("packages", "; ".join(other), _REINSTALL)
    if not wanted:
        return note("packages", "not checked: this checkout isn't installed (`make setup` installs it)")
    return ok("packages", f"all {len(wanted)} that Charloom needs")


def _check_torch() -> Iterator[Finding]:
    """Load torch and the compiled LSTM layer in a process of its own; the command line never loads them."""
    words = [sys.executable, "-m", "worker.nn.kernel", "torch"]
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=TORCH_S, check=False)
    except subprocess.TimeoutExpired:
        yield bad("torch", f"didn't load within {TORCH_S} s", "Check the disk: a worker would have to wait as long.")
        return
    lines = done.stdout.strip().splitlines()
    error = (done.stderr.strip().splitlines() or ["the process printed no error"])[-1]
    if not lines:
        yield bad("torch", f"can't be loaded: {error}", f"A worker needs it. {_REINSTALL}")
        return
    build, _, capability = lines[0].partition(" ")
    message = f"{build}, using {capability}"
    if "+cu" in build or "+rocm" in build:
        yield warn("torch", f"{message}; a build for GPUs", "It works, but the CPU build (+cpu) is gigabytes smaller.")
    else:
        yield ok("torch", message)
    layer = (lines[1] if len(lines) > 1 else f"the LSTM layer can't be loaded: {error}").rstrip(".")
    if "is compiled" in layer:
        yield ok("kernel", layer)
    else:
        yield warn(
            "kernel",
            layer,
            "With a C compiler (gcc, clang or the package ziglang) and AVX-512, AVX2 or NEON, training is faster, and "
            "generation many times as fast.",
        )


def _check_cores() -> Finding:
    count, quota, message = cores(), cpu_quota(), str(cores())
    if quota is not None:
        message += f": this container may use {quota:.3g} of {processors()} processors' time"
    if count < 2:
        return warn("cores", message, "Training and generation share it; two cores or more are better.")
    return ok("cores", message)


def _check_memory() -> Iterator[Finding]:
    try:
        total = memory_bytes()
    except (OSError, ValueError):
        return
    if total < LOW_MEMORY:
        fix = "Train small models only: a training takes 400 MiB and more, generation as much again."
        yield warn("memory", size(total), fix)
    else:
        yield ok("memory", size(total))
