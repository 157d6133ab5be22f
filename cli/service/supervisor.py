"""Supervises child processes: starts them, restarts those that exit, and shuts all down in order.

Each child leads a session of its own, so that Ctrl-C at the terminal reaches the supervising process alone. Knows
nothing of Charloom: `cli/service/service.py` says which children there are.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.service.guardian import registration
from cli.service.shutdown import ProcessGroup, kill, shut_down

#: An exit within this many seconds of the start is early.
EARLY_EXIT_S = 10.0
#: Early exits in a row after which a child isn't restarted.
MAX_EARLY_EXITS = 3
#: Seconds before a restart; doubled with each early exit.
BACKOFF_S = 0.5
#: Last lines of a log that an error shows.
TAIL_LINES = 15

#: A shell that registers at the guardian's pipe, its standard input, and then becomes the child ("$@").
REGISTER = 'echo "+ $$ $0" >&0 && exec "$@" </dev/null'


class ChildFailed(Exception):
    """A child doesn't keep running."""


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """How to run a child."""

    #: Its name in messages: "worker".
    name: str
    command: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]
    #: The file for its output; the last run's is renamed to `.1`.
    log: Path
    #: Children shut down in the order of their ranks.
    rank: int
    #: Seconds between SIGTERM and SIGKILL.
    grace_s: float
    #: Whether a second Ctrl-C kills it at once.
    killable: bool = True
    #: Open file descriptors that it inherits.
    inherited_fds: Sequence[int] = ()


class Child:
    """One child and its restarts."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.early_exits = 0
        #: When to restart it, if it has exited.
        self.start_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        if spec.log.exists():
            spec.log.replace(spec.log.with_name(spec.log.name + ".1"))

    @property
    def group(self) -> ProcessGroup | None:
        """Its process group, from its start until it is reaped."""
        return None if self._process is None else self._group_of(self._process)

    @property
    def registration(self) -> str:
        """Its line for the guardian, but for its process id."""
        return registration(self.spec.rank, self.spec.grace_s, killable=self.spec.killable)

    def is_running(self) -> bool:
        """Return True if it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, guardian: int, now: float) -> None:
        """Start it. It registers on the file descriptor `guardian`."""
        spec = self.spec
        with spec.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", REGISTER, self.registration, *spec.command],
                cwd=spec.cwd,
                env=dict(spec.environment),
                stdin=guardian,
                stdout=log,
                stderr=log,
                pass_fds=tuple(spec.inherited_fds),
                start_new_session=True,
            )
        self._started_at, self.start_at = now, None

    def reap(self, now: float) -> tuple[int, str] | None:
        """If it has exited, kill what it left running and schedule its restart.

        Returns:
            Its process id and how it ended, as words; None if it hasn't exited.
        """
        process = self._process
        if process is None or (code := process.poll()) is None:
            return None
        kill(self._group_of(process), is_running=lambda _: False)
        self.early_exits = self.early_exits + 1 if now - self._started_at < EARLY_EXIT_S else 0
        self.start_at = now + BACKOFF_S * 2**self.early_exits
        self._process = None
        return process.pid, f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"

    def tail(self) -> str:
        """Return the last lines of its log."""
        lines = self.spec.log.read_text(errors="replace").splitlines() if self.spec.log.exists() else []
        return "\n".join(lines[-TAIL_LINES:])

    def _group_of(self, process: "subprocess.Popen[bytes]") -> ProcessGroup:
        spec = self.spec
        return ProcessGroup(pid=process.pid, rank=spec.rank, grace_s=spec.grace_s, killable=spec.killable)


class Supervisor:
    """A set of children and their guardian."""

    def __init__(
        self,
        *,
        log: Path,
        report: Callable[[str], None],
        inherited_fds: Sequence[int] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            log: the guardian's log.
            report: called with a message for each exit and restart.
            inherited_fds: open file descriptors (the lock) that the guardian holds while children may run.
            now: a monotonic clock in seconds.
        """
        self._children: list[Child] = []
        self._log = log
        self._report = report
        self._inherited_fds = inherited_fds
        self._now = now
        self._guardian: subprocess.Popen[bytes] | None = None
        #: The write end of the guardian's pipe, which only this process holds.
        self._pipe = -1

    def start(self, spec: ChildSpec) -> Child:
        """Start a child, and restart it from now on."""
        self._ensure_guardian()
        child = Child(spec)
        self._children.append(child)
        child.start(self._pipe, self._now())
        return child

    def check(self) -> None:
        """Restart the children that have exited, each after its delay. Call this often.

        Raises:
            ChildFailed: one exited early too often; the message has the last lines of its log.
        """
        self._ensure_guardian()
        now = self._now()
        for child in self._children:
            if reaped := child.reap(now):
                pid, how = reaped
                self._notify_guardian(f"- {pid}")
                if child.early_exits >= MAX_EARLY_EXITS:
                    raise ChildFailed(
                        f"The {child.spec.name} {how}, {MAX_EARLY_EXITS} times in a row right after its start. "
                        f"The last lines of {child.spec.log}:\n{child.tail()}"
                    )
                self._report(f"The {child.spec.name} {how}. Restarting it; its log is {child.spec.log}")
            if child.start_at is not None and now >= child.start_at:
                child.start(self._pipe, now)

    def shut_down(self, forced: Callable[[], bool] = lambda: False) -> None:
        """Shut down all children in order, then the guardian.

        Args:
            forced: returns True once the shutdown is to be forced.
        """
        by_pid = {group.pid: child for child in self._children if (group := child.group)}
        groups = [group for child in self._children if (group := child.group)]
        shut_down(groups, is_running=lambda group: by_pid[group.pid].is_running(), forced=forced)
        self._children.clear()
        if self._guardian is not None:
            for pid in by_pid:
                self._notify_guardian(f"- {pid}")
            os.close(self._pipe)
            self._guardian.wait()
            self._guardian = None

    def _ensure_guardian(self) -> None:
        """Start the guardian if it doesn't run, and register the children that do."""
        if self._guardian is not None:
            if self._guardian.poll() is None:
                return
            os.close(self._pipe)
        reading, self._pipe = os.pipe()
        for child in self._children:  # before it starts, so that it always knows them
            if group := child.group:
                os.write(self._pipe, f"+ {group.pid} {child.registration}\n".encode())
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._guardian = subprocess.Popen(
                [sys.executable, "-m", "cli.service.guardian"],
                cwd=Path(__file__).parents[2],
                stdin=reading,
                stdout=log,
                stderr=log,
                pass_fds=tuple(self._inherited_fds),
                start_new_session=True,
            )
        os.close(reading)

    def _notify_guardian(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has just ended; `_ensure_guardian` starts another
            os.write(self._pipe, f"{line}\n".encode())
