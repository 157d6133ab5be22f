"""One service per data directory: it holds a lock on `DATA/lock`, a file with its process id and URL.

The kernel releases the lock when the last process that holds it has ended, so a crash never leaves one behind. The file
remains; only the lock on it counts.
"""

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from cli.service.shutdown import is_process_running

#: Seconds to wait for the processes of a service whose `charloom up` was killed.
ORPHANS_S = 25.0
#: Seconds between two attempts.
RETRY_S = 0.1


class DataDirInUse(Exception):
    """Another service runs on this data. `url` is where, "" if it hasn't started yet."""

    def __init__(self, url: str, pid: int | None) -> None:
        super().__init__(url)
        self.url = url
        self.pid = pid


def running_url(data_dir: Path) -> str:
    """Return the URL of the service that runs on this data, "" if there is none."""
    try:
        pid, url = _parse((data_dir / "lock").read_text())
    except OSError:
        return ""
    return url if pid is not None and is_process_running(pid) else ""


class DataLock:
    """The lock on a data directory, held until `close` or until the last process that inherited it has ended."""

    def __init__(self, data_dir: Path, *, on_wait: Callable[[], None] = lambda: None) -> None:
        """Acquire the lock.

        If it is held by processes whose `charloom up` was killed, call `on_wait` and wait for them to end.

        Raises:
            DataDirInUse: a service runs on this data.
        """
        data_dir.mkdir(parents=True, exist_ok=True)
        self._file = (data_dir / "lock").open("a+")
        deadline = time.monotonic() + ORPHANS_S
        waiting = False
        while not self._try():
            pid, url = self._read()
            if (pid is not None and is_process_running(pid)) or time.monotonic() >= deadline:
                self._file.close()
                raise DataDirInUse(url, pid)
            if not waiting:
                waiting = True
                on_wait()
            time.sleep(RETRY_S)
        self.write_url("")

    def fileno(self) -> int:
        """Return the file descriptor of the lock, for children that must hold it too."""
        return self._file.fileno()

    def write_url(self, url: str) -> None:
        """Write this process's id and the service's URL into the file."""
        self._file.truncate(0)
        self._file.write(f"{os.getpid()} {url}\n")
        self._file.flush()

    def close(self) -> None:
        """Release the lock."""
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
    pid, _, url = text.strip().partition(" ")
    return int(pid) if pid.isdigit() else None, url
