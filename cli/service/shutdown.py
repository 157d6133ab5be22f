"""Ending process groups in their order: the way out that `charloom up` and its guardian share.

Each group is led by a process in a session of its own, whose id names the group. The leader is asked with SIGTERM and
given its time, since only it knows how to end its children well; what is left of the group then is killed. Knows
nothing of what the processes do.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two looks at an ending process.
POLL_S = 0.02
#: Seconds that a process asked to end gets once somebody is in a hurry.
FORCED_GRACE_S = 2.0
#: Seconds for the kernel to clear away killed processes.
KILL_WAIT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class ProcessGroup:
    """A process that leads its own session, and all that it started there."""

    #: Process id of the leader, and so the id of the group.
    pid: int
    #: Groups end by rising rank.
    rank: int
    #: Seconds between asking and killing.
    grace_s: float
    #: Whether somebody in a hurry kills it at once; else it is still asked, for `FORCED_GRACE_S`.
    can_be_killed: bool


def is_process_running(pid: int) -> bool:
    """Return True if a process is there and runs, for a caller that isn't its parent.

    A zombie doesn't: in a container whose first process is no init, nobody may ever reap it.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # no /proc on this system, or it went just now and the next look says so
        return True


def is_leader_running(group: ProcessGroup) -> bool:
    """Return True if the leading process runs, for a caller that isn't its parent."""
    return is_process_running(group.pid)


def shut_down(
    groups: Iterable[ProcessGroup],
    *,
    is_running: Callable[[ProcessGroup], bool] = is_leader_running,
    forced: Callable[[], bool] = lambda: False,
) -> None:
    """End the groups one after another, by rank.

    Args:
        groups: What to end; those already gone are fine.
        is_running: Tells whether a leader still lives. A parent must give one that reaps it.
        forced: Becomes true when waiting has to stop.
    """
    for group in sorted(groups, key=lambda group: group.rank):
        sigterm_at = time.monotonic()
        _send(os.kill, group.pid, signal.SIGTERM)
        while is_running(group):
            grace_s = (0 if group.can_be_killed else FORCED_GRACE_S) if forced() else group.grace_s
            if time.monotonic() - sigterm_at >= grace_s:
                break
            time.sleep(POLL_S)
        kill(group, is_running=is_running)


def kill(group: ProcessGroup, *, is_running: Callable[[ProcessGroup], bool] = is_leader_running) -> None:
    """Kill what is there of a group, and wait until its leader is gone."""
    _send(os.killpg, group.pid, signal.SIGKILL)
    deadline = time.monotonic() + KILL_WAIT_S
    while is_running(group) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def _send(how: Callable[[int, int], None], pid: int, signal_number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        how(pid, signal_number)
