"""The longest run of each character in a text that comes in parts. Knows no models."""

import numpy as np

from worker.nn.code_points import code_points


class LongestRuns:
    """Counts while the text passes."""

    def __init__(self) -> None:
        self._longest: dict[int, int] = {}
        self._last, self._length = -1, 0  # the run at the end of what has passed

    def feed(self, part: str) -> None:
        """Count the runs of the next part of the text."""
        points = code_points(part)
        if not len(points):
            return
        # Only places where a character equals the one before it are looked at, a few percent of a usual text.
        repeats = np.flatnonzero(points[1:] == points[:-1])
        begins = np.flatnonzero(np.diff(repeats, prepend=-2) != 1)
        lengths = np.diff(np.append(begins, len(repeats))) + 1
        starts = repeats[begins]
        first = int(lengths[0]) if len(starts) and starts[0] == 0 else 1
        if points[0] == self._last:
            first += self._length
        self._note(int(points[0]), first)
        for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
            if start:
                self._note(int(points[start]), length)
        self._last = int(points[-1])
        if not len(starts) or starts[-1] + lengths[-1] < len(points):
            self._length = 1 if len(points) > 1 else first
        else:
            self._length = int(lengths[-1]) if starts[-1] else first

    def _note(self, point: int, length: int) -> None:
        if length > max(1, self._longest.get(point, 1)):
            self._longest[point] = length

    def found(self) -> dict[str, int]:
        """Return the characters that follow themselves somewhere, each with the length of its longest run."""
        return {chr(point): length for point, length in sorted(self._longest.items())}
