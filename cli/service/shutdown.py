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
LOOK_S = 0.02
#: Seconds that a process asked to end gets once somebody is in a hurry.
HURRIED_S = 2.0
#: Seconds for the kernel to clear away killed processes.
KILLED_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Group:
    """A process that leads its own session, and all that it started there."""

    #: Process id of the leader, and so the id of the group.
    pid: int
    #: Groups end by rising rank.
    rank: int
    #: Seconds between asking and killing.
    grace_s: float
    #: Whether somebody in a hurry kills it at once; else it is still asked, for `HURRIED_S`.
    may_be_cut: bool


def process_lives(pid: int) -> bool:
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


def leader_lives(group: Group) -> bool:
    """Return True if the leading process runs, for a caller that isn't its parent."""
    return process_lives(group.pid)


def end_in_order(
    groups: Iterable[Group],
    *,
    lives: Callable[[Group], bool] = leader_lives,
    hurried: Callable[[], bool] = lambda: False,
) -> None:
    """End the groups one after another, by rank.

    Args:
        groups: What to end; those already gone are fine.
        lives: Tells whether a leader still lives. A parent must give one that reaps it.
        hurried: Becomes true when waiting has to stop.
    """
    for group in sorted(groups, key=lambda group: group.rank):
        asked_at = time.monotonic()
        _send(os.kill, group.pid, signal.SIGTERM)
        while lives(group):
            grace_s = (0 if group.may_be_cut else HURRIED_S) if hurried() else group.grace_s
            if time.monotonic() - asked_at >= grace_s:
                break
            time.sleep(LOOK_S)
        kill(group, lives=lives)


def kill(group: Group, *, lives: Callable[[Group], bool] = leader_lives) -> None:
    """Kill what is there of a group, and wait until its leader is gone."""
    _send(os.killpg, group.pid, signal.SIGKILL)
    deadline = time.monotonic() + KILLED_S
    while lives(group) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def _send(how: Callable[[int, int], None], pid: int, signal_number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        how(pid, signal_number)
