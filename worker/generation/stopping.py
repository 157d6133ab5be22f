"""Ending a text before the first of its stop strings, and showing none of one on the way there."""

from collections.abc import Sequence


class StopStringFilter:
    """One text that grows by characters, of which as much is shown as can't become part of a stop string."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = tuple(stops)
        self._longest = max(map(len, stops), default=0)
        self._told: list[str] = []  # what has been shown
        self._offset = 0  # how long that is
        self._rest = ""  # what hasn't been
        self.stopped = False

    def __len__(self) -> int:
        return self._offset + len(self._rest)

    @property
    def text(self) -> str:
        """What has been written; once stopped, cut before the stop string."""
        return "".join([*self._told, self._rest])

    def append(self, characters: str) -> bool:
        """Add characters; return whether a stop string is now complete, in which case the text ends before it.

        The one that is complete first counts, and of two that end in one place the longer: it began first.
        """
        since = max(0, len(self._rest) - self._longest + 1)
        self._rest += characters
        found = ((self._rest.find(stop, since), len(stop)) for stop in self._stops)
        if ends := [(place + length, -length) for place, length in found if place >= 0]:
            end, length = min(ends)
            self._rest = self._rest[: end + length]
            self.stopped = True
        return self.stopped

    def show(self, *, ended: bool) -> tuple[int, str]:
        """Return (offset, text) of what can be shown now and hasn't been; everything when the text has ended."""
        offset, end = self._offset, len(self._rest)
        if not ended and not self.stopped:
            end -= self._begun()
        shown, self._rest = self._rest[:end], self._rest[end:]
        if shown:
            self._told.append(shown)
        self._offset += len(shown)
        return offset, shown

    def _begun(self) -> int:
        """Return how long the longest end of the text is that begins a stop string: no such is shown."""
        for length in range(min(self._longest - 1, len(self._rest)), 0, -1):
            if any(len(stop) > length and stop.startswith(self._rest[-length:]) for stop in self._stops):
                return length
        return 0
