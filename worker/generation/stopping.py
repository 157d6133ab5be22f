"""Ends a text before the first of its stop strings, and never shows a part of one."""

from collections.abc import Sequence


class StopStringFilter:
    """A growing text, of which only as much is shown as can't become part of a stop string."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = tuple(stops)
        self._longest = max(map(len, stops), default=0)
        self._shown: list[str] = []
        self._offset = 0  # characters shown
        self._rest = ""  # not shown yet
        self.stopped = False

    def __len__(self) -> int:
        return self._offset + len(self._rest)

    @property
    def text(self) -> str:
        """The text so far; once stopped, cut before the stop string."""
        return "".join([*self._shown, self._rest])

    def append(self, characters: str) -> bool:
        """Add characters; return True if a stop string is now complete, in which case the text ends before it.

        The stop string that is complete first counts, and of two that end at the same position the longer one.
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
        """Return (offset, text) of what can be shown and hasn't been; everything once the text has ended."""
        offset, end = self._offset, len(self._rest)
        if not ended and not self.stopped:
            end -= self._begun()
        shown, self._rest = self._rest[:end], self._rest[end:]
        if shown:
            self._shown.append(shown)
        self._offset += len(shown)
        return offset, shown

    def _begun(self) -> int:
        """Return the length of the longest end of the text that starts a stop string; that part isn't shown."""
        for length in range(min(self._longest - 1, len(self._rest)), 0, -1):
            if any(len(stop) > length and stop.startswith(self._rest[-length:]) for stop in self._stops):
                return length
        return 0
