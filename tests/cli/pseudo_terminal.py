"""A command at a pseudo-terminal of its own: it gets Ctrl-C and can ask questions."""

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.preloaded import popen
from tests.waiting import eventually

_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command in a session of its own, on a pseudo-terminal of some width."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], *, cwd: Path, columns: int) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        with open(theirs, "r+b", buffering=0) as end:  # noqa: PTH123 (a descriptor has no path)
            self.process = popen(
                words,
                cwd=cwd,
                environment={**environment, "TERM": "xterm-256color"},
                stdin=end,
                stdout=end,
                new_session=True,
            )
        self.raw = ""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    @property
    def printed(self) -> str:
        """All that it has printed, without control characters."""
        return _CONTROLS.sub("", self.raw).replace("\r\n", "\n")

    def wait_for(self, words: str) -> None:
        """Wait until it has printed these words."""

        def there() -> bool:
            ended = self.process.poll() is not None and not self._thread.is_alive()
            assert words in self.printed or not ended, f"it ended without printing {words!r}:\n{self.printed}"
            return words in self.printed

        eventually(there, words)

    def type(self, keys: str) -> None:
        """Press keys; the character 3 is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def ended(self) -> int:
        """Wait for its end, and return its exit code."""
        code = self.process.wait(60)
        self._thread.join()
        return code

    def close(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._thread.join()
        os.close(self._ours)

    def _read(self) -> None:
        while True:
            try:
                found = os.read(self._ours, 65_536)
            except OSError:  # the other side is closed
                return
            if not found:
                return
            self.raw += found.decode("utf-8", "replace")
