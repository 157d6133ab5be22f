"""The two faults: a worker that is drained through the API, and one whose process is killed on this host."""

import os
import platform
import signal
from contextlib import suppress
from pathlib import Path

from charloom import Charloom, NotFound, Worker
from cli.common.exit_codes import Exit, Failure
from shared.host import started_s

#: Seconds by which two readings of one process's start may differ.
_SAME_S = 0.1


class Drain:
    """Drains a worker, until it is withdrawn."""

    #: Seconds that the canary runs before: none, since a worker that drains saves.
    after_s = 0.0

    def __init__(self, client: Charloom) -> None:
        self._client = client
        self.name = ""

    def strike(self, worker: Worker) -> None:
        """Have the worker release its jobs. Raises Failure, CharloomError."""
        if worker.draining:
            raise Failure(f"{worker.name} is drained already, by someone else.", Exit.REFUSED)
        self.name = worker.name  # before the call: an answer that doesn't come may mean that it drains
        self._client.drain_worker(worker.name)

    def withdraw(self) -> bool:
        """Have the worker take jobs again; return True if it was drained. Raises CharloomError."""
        if not self.name:
            return False
        with suppress(NotFound):  # its process has ended, and the request with it
            self._client.drain_worker(self.name, undo=True)
        self.name = ""
        return True


class Kill:
    """Kills a worker's process on this host."""

    #: Seconds that the canary runs before: longer than between two checkpoints.
    after_s = 1.5

    def strike(self, worker: Worker) -> None:
        """Kill the worker; its children end with it. Raises Failure if its process isn't certainly one of this host."""
        try:
            os.kill(process_of(worker), signal.SIGKILL)
        except PermissionError as exc:
            raise Failure(f"{worker.name} is another user's: you may not kill it.", Exit.REFUSED) from exc
        except ProcessLookupError as exc:
            raise Failure(f"{worker.name} has just ended on its own.", Exit.REFUSED) from exc

    def withdraw(self) -> bool:
        """Do nothing: whatever supervises the worker starts it again."""
        return False


def process_of(worker: Worker) -> int:
    """Return the process id of a worker on this host.

    Raises:
        Failure: it runs on another host or in another container, or its id belongs to another process by now.
    """
    here = platform.node()
    if worker.host != here:
        raise Failure(
            f"The canary runs on {worker.name}, on the host {worker.host}; this host is {here}. --kill kills only "
            "workers of the host that it is given on. Try again, or without --kill: draining works from everywhere.",
            Exit.REFUSED,
        )
    began = started_s(worker.pid) if worker.pid else None
    if began is None or abs(began - worker.started_s) > _SAME_S or b"celery" not in _command_line(worker.pid):
        raise Failure(
            f"{worker.name} says that its process is {worker.pid}, but that one isn't it: it has ended, or runs in a "
            "container of this host. Nothing was killed.",
            Exit.REFUSED,
        )
    return worker.pid


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
