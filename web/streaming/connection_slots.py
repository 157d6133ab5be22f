"""How many requests may hold a thread for long: counted, never waited for."""

import threading


class ConnectionSlots:
    """A number of places. Thread-safe; each process has its own."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._free = threading.BoundedSemaphore(places)

    def take(self) -> bool:
        """Take a place; False where none is free."""
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        """Give a place back."""
        self._free.release()
