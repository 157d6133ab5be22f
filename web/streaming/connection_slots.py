"""How many requests may hold a thread for long: event streams and long polls. A request never waits for a slot."""

import threading


class ConnectionSlots:
    """A number of slots. Thread-safe; each process has its own."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.taken = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a slot; return False if none is free."""
        with self._lock:
            if self.taken == self.places:
                return False
            self.taken += 1
            return True

    def give_back(self) -> None:
        """Give a slot back."""
        with self._lock:
            self.taken -= 1
