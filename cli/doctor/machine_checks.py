"""What `charloom doctor` looks at on this machine: Python, packages, torch, cores, memory, the data directory."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from cli.doctor.findings import Finding, bad, note, ok, warn
from cli.service.service import ROOT
from shared.errors import VolumeUnavailable
from shared.sizes import size
from shared.volume import Volume

#: The oldest Python that the code runs on.
MIN_PYTHON = (3, 11)
#: Bytes of free disk below which nothing more can be trained, and below which it is worth saying.
MIN_FREE, LOW_FREE = 200 << 20, 2 << 30
#: Memory that one training takes at least, and what a host should have.
LOW_MEMORY = 2 << 30
#: Seconds that loading torch may take from a cold disk.
TORCH_S = 60
_TORCH = """
import torch
print(torch.__version__, torch.backends.cpu.get_cpu_capability(), flush=True)
from worker.nn.kernel.__main__ import main
main()
"""


def check_machine(data_dir: Path) -> Iterator[Finding]:
    """Yield what is found on this machine."""
    yield _python()
    yield _packages(required())
    yield from _torch()
    yield _cores()
    yield from _memory()
    yield from check_data(data_dir)


def required() -> Sequence[Requirement]:
    """Return what this installation says that it needs; nothing in a checkout that isn't installed."""
    try:
        named = requires("charloom") or []
    except PackageNotFoundError:
        return ()
    return [one for one in map(Requirement, named) if one.marker is None or one.marker.evaluate({"extra": ""})]


def check_data(data_dir: Path) -> Iterator[Finding]:
    """Yield what is found of the data directory."""
    what = "data"
    if not data_dir.exists():
        parent = next(folder for folder in data_dir.parents if folder.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            yield note(what, f"{data_dir} isn't there yet; the first start makes it")
        else:
            yield bad(what, f"{data_dir} isn't there, and can't be made", f"Let this user write in {parent}.")
        yield from _space(parent)
        return
    try:
        Volume(data_dir).check()
    except VolumeUnavailable as exc:
        yield bad(what, f"{data_dir} can't be written: {exc.detail}", "Let this user write there.")
        return
    yield ok(what, f"{data_dir} can be written")
    yield from _space(data_dir)


def _space(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE:
        yield bad("disk", f"{size(free)} free", "Make room: trainings can't save their state.")
    elif free < LOW_FREE:
        yield warn("disk", f"{size(free)} free", "Make room before it is full: texts, models and states lie there.")
    else:
        yield ok("disk", f"{size(free)} free")


def _python() -> Finding:
    if sys.version_info < MIN_PYTHON:
        return bad("python", platform.python_version(), "Install Python 3.11 or newer, and run `make setup` again.")
    return ok("python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")


def _packages(wanted: Sequence[Requirement]) -> Finding:
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
        return bad("packages", f"missing: {', '.join(missing)}", "Install Charloom again (`make setup` in a checkout).")
    if other:
        return warn("packages", "; ".join(other), "Install Charloom again (`make setup` in a checkout).")
    if not wanted:
        return note("packages", "not looked at: this is a checkout that isn't installed (`make setup`)")
    return ok("packages", f"all {len(wanted)} that Charloom needs")


def _torch() -> Iterator[Finding]:
    """Load torch and the compiled LSTM layer in a process of its own: the command line never does."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TORCH], cwd=ROOT, capture_output=True, text=True, timeout=TORCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        yield bad("torch", f"didn't load within {TORCH_S} s", "Look at the disk; a worker would wait as long.")
        return
    told, why = done.stdout.strip().splitlines(), (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    if not told:
        yield bad("torch", f"can't be loaded: {why}", "`make setup` installs it; a worker needs it.")
        return
    build, _, capability = told[0].partition(" ")
    if "+cu" in build or "+rocm" in build:
        said = f"{build}: the build for graphics cards, computing with {capability}"
        yield warn("torch", said, "It works; the one for processors (+cpu) is gigabytes smaller.")
    else:
        yield ok("torch", f"{build}, computing with {capability}")
    layer = (told[1] if len(told) > 1 else f"the LSTM layer can't be loaded: {why}").rstrip(".")
    if "is compiled" in layer:
        yield ok("kernel", layer)
    else:
        yield warn("kernel", layer, "With gcc, on a processor with AVX-512, training is several times faster.")


def _cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count < 2:
        return warn("cores", "1", "Training and writing will take turns on it; two cores or more are better.")
    return ok("cores", str(count))


def _memory() -> Iterator[Finding]:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return
    if total < LOW_MEMORY:
        yield warn("memory", size(total), "Small models only: a training takes 400 MB and more, writing as much again.")
    else:
        yield ok("memory", size(total))
