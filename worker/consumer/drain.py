"""Whether a worker releases its jobs: because it is to stop, or for as long as it is requested to drain."""

import mmap

_STOPS, _REQUESTED = 0, 1


class Drain:
    """Two bytes that a worker's parent and children share."""

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, 2)

    def stop(self) -> None:
        """Note that this worker is to stop."""
        self._bytes[_STOPS] = 1

    def request(self, requested: bool) -> None:
        """Note whether this worker is requested to drain."""
        self._bytes[_REQUESTED] = requested

    def is_requested(self) -> bool:
        """Return True while this worker is requested to drain."""
        return self._bytes[_REQUESTED] == 1

    def is_on(self) -> bool:
        """Return True while jobs are to be released."""
        return self._bytes[:] != b"\0\0"
