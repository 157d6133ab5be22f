"""The one thread of a process that renews the lease of the current job.

It outlives the jobs: starting and ending a thread for each took 0.3 ms, up to 0.6 on a busy host, of the few that a
short text takes. The first job starts it, and so a child of the pool does, after the fork.
"""

import threading
from collections.abc import Callable

#: Seconds between two beats, and until a request to cancel is seen; the store writes a renewal far less often.
BEAT_S = 0.2


class LeaseRenewer:
    """Beats for one job at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._beat: Callable[[], bool] | None = None
        self._thread: threading.Thread | None = None

    def begin(self, beat: Callable[[], bool]) -> None:
        """Call `beat` every BEAT_S seconds, for the first time in BEAT_S, until it returns False or `end` is called."""
        with self._changed:
            self._beat = beat
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._loop, name="lease_renewer", daemon=True)
                self._thread.start()
            self._changed.notify()

    def end(self) -> None:
        """Stop; a beat that has begun is over when this returns."""
        with self._changed:
            self._beat = None

    @property
    def beating(self) -> bool:
        """True if another beat is to come."""
        return self._beat is not None and self._thread is not None and self._thread.is_alive()

    def _loop(self) -> None:
        with self._changed:
            while True:
                while self._beat is None:
                    self._changed.wait()
                beat = self._beat
                self._changed.wait(BEAT_S)
                if self._beat is beat and not beat():
                    self._beat = None
