"""Shuts down process groups one after another, for `charloom up` and its guardian.

The leader of each group has a session of its own, and its process id is the group's. It gets SIGTERM and a grace
period, since only the leader knows how to stop its children; then what is left of the group is killed. Knows nothing of
what the processes do.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two checks of a process that is stopping.
POLL_S = 0.02
#: The grace period, in seconds, of a group that isn't `killable` when the shutdown is forced.
FORCED_GRACE_S = 2.0
#: Seconds that the kernel may take to remove killed processes.
KILL_WAIT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class ProcessGroup:
    """A process that leads a session, and the processes that it started there."""

    #: Process id of the leader, and so the group's.
    pid: int
    #: Groups shut down in the order of their ranks.
    rank: int
    #: Seconds between SIGTERM and SIGKILL.
    grace_s: float
    #: Whether a forced shutdown kills it at once, rather than after `FORCED_GRACE_S`.
    killable: bool


def is_process_running(pid: int) -> bool:
    """Return True if a process runs, for a caller that isn't its parent.

    A zombie doesn't run: in a container whose first process is no init, it may never be reaped.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # this system has no /proc, or the process has just ended and the next check notices
        return True


def is_leader_running(group: ProcessGroup) -> bool:
    """Return True if a group's leader runs, for a caller that isn't its parent."""
    return is_process_running(group.pid)


def shut_down(
    groups: Iterable[ProcessGroup],
    *,
    is_running: Callable[[ProcessGroup], bool] = is_leader_running,
    forced: Callable[[], bool] = lambda: False,
) -> None:
    """Shut down the groups one after another, by rank.

    Args:
        groups: the groups; some may have ended already.
        is_running: returns True while a leader runs. A parent must pass one that reaps it.
        forced: returns True once the shutdown is to be forced.
    """
    for group in sorted(groups, key=lambda group: group.rank):
        sigterm_at = time.monotonic()
        _send(os.kill, group.pid, signal.SIGTERM)
        while is_running(group):
            grace_s = (0 if group.killable else FORCED_GRACE_S) if forced() else group.grace_s
            if time.monotonic() - sigterm_at >= grace_s:
                break
            time.sleep(POLL_S)
        kill(group, is_running=is_running)


def kill(group: ProcessGroup, *, is_running: Callable[[ProcessGroup], bool] = is_leader_running) -> None:
    """Kill what is left of a group, and wait until its leader has ended."""
    _send(os.killpg, group.pid, signal.SIGKILL)
    deadline = time.monotonic() + KILL_WAIT_S
    while is_running(group) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def _send(how: Callable[[int, int], None], pid: int, signal_number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS returns EPERM for a group of zombies
        how(pid, signal_number)
