"""Ctrl-C, SIGTERM and a closed terminal as counts to check, not as exceptions.

A handler that raises could do so between the start of a child and the note of its process id. So the handlers only
count, and `wait` returns early.
"""

import os
import select
import signal
from types import FrameType, TracebackType

#: The signals that request a shutdown.
SHUTDOWN_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Counts shutdown signals inside a `with` block. For the main thread."""

    def __init__(self) -> None:
        #: How many shutdown signals have come.
        self.shutdown_requests = 0
        self._previous: dict[int, object] = {}
        self._reading, self._writing = -1, -1

    def __enter__(self) -> "Signals":
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        for number in SHUTDOWN_SIGNALS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup: the service has to outlive its terminal
            self._previous[number] = signal.signal(number, self._count)
        self._previous[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._ignore)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._reading)
        os.close(self._writing)

    def wait(self, seconds: float) -> None:
        """Wait for a signal (the end of a child sends one), or until the time is up."""
        ready, _, _ = select.select([self._reading], [], [], seconds)
        if ready:
            os.read(self._reading, 4096)

    def forced(self) -> bool:
        """Return True after a second shutdown signal."""
        return self.shutdown_requests > 1

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.shutdown_requests += 1

    def _ignore(self, _number: int, _frame: FrameType | None) -> None:
        """Let `wait` return when a child ends."""
