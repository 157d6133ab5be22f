"""Ctrl-C, SIGTERM and a closed terminal as something to look at, not something that strikes in the middle.

A handler that raises could do so between starting a child and noting it. So the handlers only count, and whoever waits
does it here.
"""

import os
import select
import signal
from types import FrameType, TracebackType

#: What asks the service to end.
SHUTDOWN_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Counts the signals that ask for an end, while it is entered; for the main thread."""

    def __init__(self) -> None:
        #: How often the end was asked for.
        self.shutdown_requests = 0
        self._before: dict[int, object] = {}
        self._reading, self._writing = -1, -1

    def __enter__(self) -> "Signals":
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        for number in SHUTDOWN_SIGNALS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # under nohup it means to outlive the terminal
            self._before[number] = signal.signal(number, self._count)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._ignore)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        os.close(self._reading)
        os.close(self._writing)

    def wait(self, seconds: float) -> None:
        """Wait until a signal comes (a child's end is one) or the time is up."""
        ready, _, _ = select.select([self._reading], [], [], seconds)
        if ready:
            os.read(self._reading, 4096)

    def forced(self) -> bool:
        """Return True if the end was asked for more than once."""
        return self.shutdown_requests > 1

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.shutdown_requests += 1

    def _ignore(self, _number: int, _frame: FrameType | None) -> None:
        """Let a child's end wake `wait`."""
