"""Keeping child processes going: start, notice a death, start again with patience, end all in order.

Each child leads a session of its own, so that Ctrl-C at the terminal reaches only the process that supervises. Knows
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

#: A child that lives shorter than this, seconds, has died quickly.
EARLY_EXIT_S = 10.0
#: Quick deaths in a row after which a child is given up.
MAX_EARLY_EXITS = 3
#: Seconds before a dead child is started again: doubled with each quick death.
BACKOFF_S = 0.5
#: Lines of a log that an error shows.
TAIL_LINES = 15

#: Announces itself to the guardian on its standard input, then becomes the child ("$@"), which reads nothing.
REGISTER = 'echo "+ $$ $0" >&0 && exec "$@" </dev/null'


class ChildFailed(Exception):
    """A child can't be kept going."""


@dataclass(frozen=True, kw_only=True)
class ChildSpec:
    """What a child is, before it runs."""

    #: What people call it: "worker".
    name: str
    command: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]
    #: Where its output goes; an older one is kept beside it as `.1`.
    log: Path
    #: Children end by rising rank.
    rank: int
    #: Seconds it gets to end when asked.
    grace_s: float
    #: Whether a second Ctrl-C kills it without asking.
    can_be_killed: bool = True
    #: Open file descriptors that it inherited_fds.
    inherited_fds: Sequence[int] = ()


class Child:
    """One child and its restarts."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.early_exits = 0
        #: When it is due to be started again, if it is dead.
        self.start_at: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        if spec.log.exists():
            spec.log.replace(spec.log.with_name(spec.log.name + ".1"))

    @property
    def group(self) -> ProcessGroup | None:
        """Its process group, if it was started and hasn't been cleared away."""
        return None if self._process is None else self._group_of(self._process)

    @property
    def registration(self) -> str:
        """What the guardian is told of it, all but its process id."""
        return registration(self.spec.rank, self.spec.grace_s, can_be_killed=self.spec.can_be_killed)

    def is_running(self) -> bool:
        """Return True if it runs; a dead one is reaped."""
        return self._process is not None and self._process.poll() is None

    def start(self, guardian: int, now: float) -> None:
        """Start it; it announces itself on the file descriptor `guardian`."""
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
        """Clear a dead child away, kill what it left behind and plan its next start.

        Returns:
            Its process id and how it ended in words; None when it isn't dead.
        """
        process = self._process
        if process is None or (code := process.poll()) is None:
            return None
        kill(self._group_of(process), is_running=lambda _: False)
        self.early_exits = self.early_exits + 1 if now - self._started_at < EARLY_EXIT_S else 0
        self.start_at = now + BACKOFF_S * 2**self.early_exits
        self._process = None
        return process.pid, f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

    def tail(self) -> str:
        """Give the last lines of its log."""
        lines = self.spec.log.read_text(errors="replace").splitlines() if self.spec.log.exists() else []
        return "\n".join(lines[-TAIL_LINES:])

    def _group_of(self, process: "subprocess.Popen[bytes]") -> ProcessGroup:
        spec = self.spec
        return ProcessGroup(pid=process.pid, rank=spec.rank, grace_s=spec.grace_s, can_be_killed=spec.can_be_killed)


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
        """Prepare to keep children.

        Args:
            log: Where the guardian says what it did.
            report: Told of every death and restart.
            inherited_fds: Open file descriptors (the lock) that the guardian holds while children may live.
            now: Seconds on a clock that doesn't jump.
        """
        self._children: list[Child] = []
        self._log = log
        self._report = report
        self._inherited_fds = inherited_fds
        self._now = now
        self._guardian: subprocess.Popen[bytes] | None = None
        #: The end of the guardian's pipe that only this process holds.
        self._pipe = -1

    def start(self, spec: ChildSpec) -> Child:
        """Start a child and keep it going from now on."""
        self._guard()
        child = Child(spec)
        self._children.append(child)
        child.start(self._pipe, self._now())
        return child

    def check(self) -> None:
        """Look after all children once: start again those that died. Call it often.

        Raises:
            ChildFailed: one died too quickly too often; its log's last lines are in the words.
        """
        self._guard()
        now = self._now()
        for child in self._children:
            if death := child.reap(now):
                pid, how = death
                self._notify_guardian(f"- {pid}")
                if child.early_exits >= MAX_EARLY_EXITS:
                    raise ChildFailed(
                        f"The {child.spec.name} {how}, {MAX_EARLY_EXITS} times in a row right after its start. "
                        f"Last lines of {child.spec.log}:\n{child.tail()}"
                    )
                self._report(f"The {child.spec.name} {how}. Starting it again; its log is {child.spec.log}")
            if child.start_at is not None and now >= child.start_at:
                child.start(self._pipe, now)

    def shut_down(self, forced: Callable[[], bool] = lambda: False) -> None:
        """End all children in order, then the guardian.

        Args:
            forced: Becomes true when waiting has to stop.
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

    def _guard(self) -> None:
        """Start the guardian, or start it again and tell it who lives."""
        if self._guardian is not None:
            if self._guardian.poll() is None:
                return
            os.close(self._pipe)
        reading, self._pipe = os.pipe()
        for child in self._children:  # before it starts, so that it never lives without knowing them
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
        with contextlib.suppress(BrokenPipeError):  # it died just now; `_guard` tells its successor
            os.write(self._pipe, f"{line}\n".encode())
