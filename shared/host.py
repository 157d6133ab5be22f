"""What this host lets a process use: processors and memory, within the limits of its container (control groups).

A process may be bound to some processors (`taskset`, a cpuset). Its control group, or one above it, may have a quota:
the time of a number of processors in each period, whichever they are (`docker run --cpus=1.5`).
"""

import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_PROC = Path("/proc/self")
_CPUINFO = Path("/proc/cpuinfo")
#: Fields of /proc/cpuinfo that distinguish kinds of processors, x86's and ARM's.
_KIND = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part")


def cores() -> int:
    """Return how many threads should compute at once.

    That is one for each processor that this process may run on, but no more than its quota, rounded up: two threads
    within 1.5 processors pause for a quarter of each period, and still compute more than one that never pauses
    (bench/LOG.md).
    """
    quota = cpu_quota()
    return processors() if quota is None else min(processors(), math.ceil(quota))


def processors() -> int:
    """Return how many processors this process may run on, whatever its quota."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_kind(cpuinfo: Path = _CPUINFO) -> str:
    """Return what identifies this host's kind of processor; only its architecture if no more is known."""
    try:
        lines = cpuinfo.read_text("ascii", errors="replace").partition("\n\n")[0].splitlines()
    except OSError:
        lines = []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return " ".join([platform.machine(), *(fields[name] for name in _KIND if name in fields)])


def cpu_quota(proc: Path = _PROC) -> float | None:
    """Return how many processors' time this process and its group may use together; None if that isn't limited."""
    quotas = []
    for folder in _groups("cpu", proc):
        # Version 2: "150000 100000" or "max 100000"; version 1: one number in each file, -1 for no limit.
        quota, period = [*_words(folder / "cpu.max"), "", ""][:2]
        if not quota:
            quota, period = (" ".join(_words(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
        if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def memory_bytes(proc: Path = _PROC) -> int:
    """Return how much memory this process and its group may use together: the host's at most."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _groups("memory", proc):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limits += [int(word) for word in _words(folder / name) if word.isdecimal()]
    return min(limits)


def started_s(pid: int, proc: Path = _PROC.parent) -> float | None:
    """Return when a process of this host started, seconds since the host's boot; None if there is no such process."""
    fields = " ".join(_lines(proc / str(pid) / "stat")).rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK") if len(fields) > 19 else None


def _groups(controller: str, proc: Path) -> Iterator[Path]:
    """Yield the folders of this process's control group, of both versions, and of all above it that are visible."""
    paths: dict[str, str] = {}
    for line in _lines(proc / "cgroup"):
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)  # "" for version 2
    for line in _lines(proc / "mountinfo"):
        mount, _, system = line.partition(" - ")
        root, point = mount.split(" ")[3:5]
        kind, _, options = system.split(" ", 2)
        if kind == "cgroup" and controller in options.split(","):
            path = paths.get(controller, "/")
        elif kind == "cgroup2":
            path = paths.get("", "/")
        else:
            continue
        # In a container the root of what is mounted is often the container's own group.
        inside = PurePosixPath(path)
        below = inside.relative_to(root) if inside.is_relative_to(root) else PurePosixPath()
        yield from (Path(point) / part for part in (below, *below.parents))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
