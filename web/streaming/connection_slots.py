"""How many requests may hold a thread for long: event streams and long polls. A request never waits for a slot."""

import threading


class ConnectionSlots:
    """A number of slots. Thread-safe; each process has its own."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._free = threading.BoundedSemaphore(places)

    def take(self) -> bool:
        """Take a slot; return False if none is free."""
        return self._free.acquire(blocking=False)

    def give_back(self) -> None:
        """Give a slot back."""
        self._free.release()
