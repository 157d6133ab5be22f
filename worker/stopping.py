"""Ending a text before the first of its stop strings, and showing none of one on the way there."""

from collections.abc import Sequence


class Held:
    """One text that grows by characters, of which as much is shown as can't become part of a stop string."""

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = tuple(stops)
        self._longest = max(map(len, stops), default=0)
        self._characters: list[str] = []
        self._end = ""  # the last `_longest` characters
        self.stopped = False
        self._shown = 0

    def __len__(self) -> int:
        return len(self._characters)

    @property
    def text(self) -> str:
        """What has been written; once stopped, cut before the stop string."""
        return "".join(self._characters)

    def append(self, character: str) -> bool:
        """Add a character; return whether a stop string is now complete, in which case the text ends before it.

        Of two that end here the longer one counts, since it began first.
        """
        self._characters.append(character)
        if self._stops:
            self._end = (self._end + character)[-self._longest :]
            if ended := [len(stop) for stop in self._stops if self._end.endswith(stop)]:
                del self._characters[-max(ended) :]
                self.stopped = True
        return self.stopped

    def show(self, *, ended: bool) -> tuple[int, str]:
        """Return (offset, text) of what can be shown now and hasn't been; everything when the text has ended."""
        end = len(self._characters)
        if not ended and not self.stopped:
            end -= self._begun()
        offset, self._shown = self._shown, max(self._shown, end)
        return offset, "".join(self._characters[offset : self._shown])

    def _begun(self) -> int:
        """Return how long the longest end of the text is that begins a stop string."""
        for length in range(min(self._longest - 1, len(self._end)), 0, -1):
            if any(len(stop) > length and stop.startswith(self._end[-length:]) for stop in self._stops):
                return length
        return 0
