"""Children are kept going, end in their order, and never outlive the one who keeps them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cli.service.lock import DataDirInUse, DataLock
from cli.service.shutdown import is_process_running as lives
from cli.service.supervisor import EARLY_EXIT_S, MAX_EARLY_EXITS, ChildFailed, ChildSpec, Supervisor
from tests.cli.service.fake_children import pids, spec
from tests.processes import below
from tests.waiting import eventually

NAMES = ("worker", "web", "valkey")


class Clock:
    """A clock that a test advances."""

    now = 1000.0


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def supervisor(tmp_path: Path, reports: list[str], clock: Clock) -> Iterator[Supervisor]:
    supervising = Supervisor(log=tmp_path / "up.log", report=reports.append, now=lambda: clock.now)
    yield supervising
    supervising.shut_down(forced=lambda: True)


def _all_run(directory: Path, names: tuple[str, ...] = NAMES) -> list[int]:
    return [pid for name in names for pid in eventually(partial(pids, directory, name), f"{name} runs")]


def test_children_end_by_rank_each_with_all_that_it_started(supervisor: Supervisor, tmp_path: Path) -> None:
    for name, rank in (("valkey", 3), ("worker", 1), ("web", 2)):
        supervisor.start(spec(tmp_path, name, rank=rank))
    everyone = _all_run(tmp_path)

    supervisor.shut_down()

    assert (tmp_path / "ended").read_text().split() == ["worker", "web", "valkey"]
    eventually(lambda: not any(lives(pid) for pid in everyone), "all are gone")


def test_a_child_that_ignores_sigterm_is_killed_after_its_grace_period(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(spec(tmp_path, "worker", rank=1, stubborn=True, grace_s=0.2))
    everyone = _all_run(tmp_path, ("worker",))

    supervisor.shut_down()

    eventually(lambda: not any(lives(pid) for pid in everyone), "all are gone")


def test_a_forced_shutdown_kills_at_once(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(spec(tmp_path, "worker", rank=1, stubborn=True, grace_s=10_000))
    everyone = _all_run(tmp_path, ("worker",))

    supervisor.shut_down(forced=lambda: True)

    eventually(lambda: not any(lives(pid) for pid in everyone), "all are gone")


def test_a_child_that_dies_is_named_and_restarted_and_leaves_no_process_behind(
    supervisor: Supervisor, tmp_path: Path, reports: list[str], clock: Clock
) -> None:
    supervisor.start(spec(tmp_path, "worker", rank=1))
    first, grandchild = _all_run(tmp_path, ("worker",))
    clock.now += EARLY_EXIT_S + 1
    (tmp_path / "worker.pids").unlink()

    def noticed() -> bool:
        supervisor.check()
        return bool(reports)

    os.kill(first, signal.SIGKILL)
    eventually(noticed, "the death is noticed")
    clock.now += 1
    supervisor.check()

    assert "worker was killed by signal 9" in reports[0]
    eventually(lambda: not lives(grandchild), "no process is left behind")
    second, _ = _all_run(tmp_path, ("worker",))
    assert lives(second)
    assert second != first


def test_a_child_that_always_dies_at_once_is_given_up_with_its_last_words(
    supervisor: Supervisor, tmp_path: Path, reports: list[str], clock: Clock
) -> None:
    def check() -> ChildFailed | None:
        clock.now += EARLY_EXIT_S / 100
        try:
            supervisor.check()
        except ChildFailed as exc:
            return exc
        return None

    hopeless = ChildSpec(
        name="web",
        command=["/bin/sh", "-c", "echo no such setting; exit 1"],
        cwd=tmp_path,
        environment=os.environ,
        log=tmp_path / "web.log",
        rank=1,
        grace_s=1,
    )
    supervisor.start(hopeless)
    failed = eventually(check, "it is given up")

    assert "web exited with code 1" in str(failed)
    assert "no such setting" in str(failed)
    assert len(reports) == MAX_EARLY_EXITS - 1


def test_the_log_of_the_last_run_is_kept_beside_the_new_one(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("the last run\n")
    supervisor.start(spec(tmp_path, "worker", rank=1))
    eventually(lambda: "worker runs" in (tmp_path / "worker.log").read_text())
    assert (tmp_path / "worker.log.1").read_text() == "the last run\n"


@pytest.fixture
def supervising(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the stand-in for `charloom up` as a process."""
    process = subprocess.Popen([sys.executable, "-m", "tests.cli.service.fake_children", str(tmp_path)])
    yield process
    process.kill()
    process.wait()
    eventually(lambda: not any(lives(pid) for name in NAMES for pid in pids(tmp_path, name)))


def test_when_the_supervisor_is_killed_its_children_are_shut_down_in_order(
    supervising: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    everyone = _all_run(tmp_path)

    supervising.kill()
    supervising.wait()

    eventually(lambda: not any(lives(pid) for pid in everyone), "all are gone")
    assert (tmp_path / "ended").read_text().split() == ["worker", "web", "valkey"]


def test_the_guardian_holds_the_data_until_the_last_child_has_ended(
    supervising: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    everyone = _all_run(tmp_path)
    with pytest.raises(DataDirInUse):
        DataLock(tmp_path)

    supervising.kill()
    supervising.wait()

    DataLock(tmp_path).close()  # waits for the end of the killed one's children
    assert (tmp_path / "ended").read_text().split() == list(NAMES)
    eventually(lambda: not any(lives(pid) for pid in everyone), "all are gone")


def test_a_killed_guardian_is_replaced_and_knows_the_children(
    supervising: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    everyone = _all_run(tmp_path)

    def guardians() -> list[int]:
        return [pid for pid, args in below(supervising.pid).items() if "cli.service.guardian" in args]

    (first,) = guardians()
    os.kill(first, signal.SIGKILL)
    eventually(lambda: [pid for pid in guardians() if pid != first], "a new guardian")

    supervising.kill()
    supervising.wait()
    eventually(lambda: not any(lives(pid) for pid in everyone), "all are gone")


def test_a_signal_ends_the_keeper_in_order(supervising: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    everyone = _all_run(tmp_path)
    supervising.send_signal(signal.SIGTERM)
    assert supervising.wait() == 0
    eventually(lambda: not any(lives(pid) for pid in everyone), "all are gone")
    assert (tmp_path / "ended").read_text().split() == ["worker", "web", "valkey"]
