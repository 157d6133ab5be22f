"""A container's limits are found in both versions of control groups, wherever they are mounted."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from shared import host
from shared.host import cores, cpu_quota, memory_bytes, processor_kind, processors

#: The kind of hierarchy and its controllers, what of it is mounted, the process's group, files, quota, bytes of memory.
CASES: Mapping[str, tuple[str, str, str, str, Mapping[str, str], float | None, int | None]] = {
    "docker, version 2": ("cgroup2", "", "/", "/", {"cpu.max": "150000 100000", "memory.max": "4096"}, 1.5, 4096),
    "no limit": ("cgroup2", "", "/", "/", {"cpu.max": "max 100000", "memory.max": "max"}, None, None),
    "the root group has no files": ("cgroup2", "", "/", "/", {}, None, None),
    "a service within a slice": (
        "cgroup2", "", "/", "/a.slice/b.service",
        {"a.slice/cpu.max": "50000 100000", "a.slice/b.service/cpu.max": "300000 100000", "a.slice/memory.max": "8192"},
        0.5, 8192,
    ),
    "the host's groups, mounted from the container's on": (
        "cgroup2", "", "/docker/c1", "/docker/c1/app", {"app/cpu.max": "max 100000", "cpu.max": "20000 10000"}, 2, None,
    ),
    "a group that isn't visible": ("cgroup2", "", "/", "/../../other", {"cpu.max": "100000 100000"}, 1, None),
    "version 1": (
        "cgroup", "cpu,cpuacct", "/docker/c1", "/docker/c1",
        {"cpu.cfs_quota_us": "250000", "cpu.cfs_period_us": "100000"}, 2.5, None,
    ),
    "version 1 without a limit": (
        "cgroup", "cpu,cpuacct", "/", "/", {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None, None,
    ),
    "memory, version 1": (
        "cgroup", "memory", "/", "/a/b",
        {"a/memory.limit_in_bytes": "16384", "a/b/memory.limit_in_bytes": "9223372036854771712"}, None, 16384,
    ),
    "another controller": ("cgroup", "pids", "/", "/", {"cpu.cfs_quota_us": "1", "cpu.cfs_period_us": "1"}, None, None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_limits_of_a_container_are_found(tmp_path: Path, case: str) -> None:
    kind, controllers, root, path, files, quota, memory = CASES[case]
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    proc.mkdir()
    (proc / "cgroup").write_text(f"9:name=systemd:/\n3:{controllers}:{path}\n")
    (proc / "mountinfo").write_text(
        "22 1 0:20 / /proc rw,nosuid - proc proc rw\n"
        f"31 22 0:28 {root} {groups} rw,relatime shared:9 master:1 - {kind} {kind} rw,{controllers}\n"
    )
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(f"{text}\n")
    assert cpu_quota(proc) == quota
    assert memory_bytes(proc) == (memory or memory_bytes(tmp_path / "no such place"))


@pytest.mark.parametrize(
    ("cpuinfo", "kind"),
    [
        (
            "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: EPYC\n\nvendor_id : x\n",
            " AuthenticAMD 25 1",
        ),
        ("processor : 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", " 0x41 0xd0c"),
        (None, ""),
    ],
)
def test_kinds_of_processors_are_distinguished(tmp_path: Path, cpuinfo: str | None, kind: str) -> None:
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert processor_kind(tmp_path / "cpuinfo") == platform.machine() + kind


@pytest.mark.parametrize(("quota", "wanted"), [(0.5, 1), (1.1, 2), (2.0, 2), (64.0, 3), (None, 3)])
def test_a_quota_is_rounded_up_and_never_adds_cores(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, wanted: int
) -> None:
    monkeypatch.setattr(host, "processors", lambda: 3)
    monkeypatch.setattr(host, "cpu_quota", lambda: quota)
    assert cores() == wanted


@pytest.fixture
def quota_of_half_a_core() -> Iterator[Path]:
    """A real control group (version 2 or 1) with a quota."""
    for parent, name, text in (
        ("/sys/fs/cgroup", "cpu.max", "50000 100000"),
        ("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "50000"),
    ):
        group = Path(parent) / f"charloom-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / name).exists():
                (group / name).write_text(text)
                yield group
                return
        finally:
            group.rmdir()
    pytest.skip("no control group with a CPU quota can be made here")


def test_a_real_quota_is_found(quota_of_half_a_core: Path) -> None:
    code = "import sys; open(sys.argv[1], 'w').write('0'); from shared.host import *; print(cpu_quota(), cores())"
    command = [sys.executable, "-c", code, str(quota_of_half_a_core / "cgroup.procs")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0.5", "1"]
    assert processors() >= 1
