"""One service a data directory: `DATA/lock` is held while it runs, and tells where it is.

The kernel drops the lock when the last process that holds it has ended, so a lock is never left over from a crash. The
file stays; only the lock on it counts.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from cli.service.shutdown import is_process_running

#: Seconds to wait for the processes of a service whose `charloom up` is gone.
ORPHANS_S = 25.0
#: Seconds between two tries.
RETRY_S = 0.1


class DataDirInUse(Exception):
    """Another service runs on this data. `address` is where it serves, if it has said so yet."""

    def __init__(self, address: str, pid: int | None) -> None:
        super().__init__(address)
        self.address = address
        self.pid = pid


def running_url(data_dir: Path) -> str:
    """Return where the service on this data serves; "" where none is known to run."""
    try:
        pid, address = _parse((data_dir / "lock").read_text())
    except OSError:
        return ""
    return address if pid is not None and is_process_running(pid) else ""


class DataLock:
    """The lock on a data directory, from making it to `close` (or the end of the last process that inherited it)."""

    def __init__(self, data_dir: Path, *, on_wait: Callable[[], None] = lambda: None) -> None:
        """Take the lock.

        Where it is held by processes whose `charloom up` is gone, say so and wait for their end.

        Raises:
            DataDirInUse: a service runs on this data.
        """
        data_dir.mkdir(parents=True, exist_ok=True)
        self._file = (data_dir / "lock").open("a+")
        deadline = time.monotonic() + ORPHANS_S
        waiting = False
        while not self._try():
            pid, address = self._read()
            if (pid is not None and is_process_running(pid)) or time.monotonic() >= deadline:
                self._file.close()
                raise DataDirInUse(address, pid)
            if not waiting:
                waiting = True
                on_wait()
            time.sleep(RETRY_S)
        self.write_address("")

    def fileno(self) -> int:
        """Give the descriptor that holds the lock, for children that must hold it too."""
        return self._file.fileno()

    def write_address(self, address: str) -> None:
        """Write down who holds the lock and where it serves."""
        self._file.truncate(0)
        self._file.write(f"{os.getpid()} {address}\n")
        self._file.flush()

    def close(self) -> None:
        """Let go."""
        self._file.truncate(0)
        self._file.close()

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _read(self) -> tuple[int | None, str]:
        self._file.seek(0)
        return _parse(self._file.read())


def _parse(text: str) -> tuple[int | None, str]:
    pid, _, address = text.strip().partition(" ")
    return int(pid) if pid.isdigit() else None, address
