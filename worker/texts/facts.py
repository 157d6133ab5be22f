"""What every rule may know of a text before it looks for places: its characters and its lines, counted."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worker.texts.windows import Window

#: Longer lines are counted as if they had this length.
LONGEST_LINE = 1 << 12
_CODE_POINTS = 0x110000


@dataclass(kw_only=True)
class Facts:
    """Counts of a whole text."""

    chars: int = 0
    #: Lines by their length, without the line end.
    lengths: NDArray[np.int64] = field(default_factory=lambda: np.zeros(LONGEST_LINE + 1, np.int64))
    #: Distinct characters and how often each occurs; complete after `conclude`.
    counts: dict[str, int] = field(default_factory=dict)
    _codes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))

    def add(self, window: Window) -> None:
        """Count a window."""
        codes = window.codes
        self.chars += len(codes)
        found = np.bincount(codes)
        if len(found) > len(self._codes):
            longer = np.zeros(min(_CODE_POINTS, 2 * len(found)), np.int64)
            longer[: len(self._codes)] = self._codes
            self._codes = longer
        self._codes[: len(found)] += found
        ends = np.flatnonzero(codes == ord("\n"))
        if len(ends):
            lengths = np.diff(ends, prepend=-1) - 1
            self.lengths += np.bincount(np.minimum(lengths, LONGEST_LINE), minlength=LONGEST_LINE + 1)

    def conclude(self) -> None:
        """Finish counting."""
        present = np.flatnonzero(self._codes)
        self.counts = {chr(code): int(self._codes[code]) for code in present}

    @property
    def lines(self) -> int:
        """Line ends of the text."""
        return int(self.lengths.sum())

    @property
    def mean_line(self) -> float:
        """Mean characters of a line that isn't empty."""
        filled = max(1, self.lines - int(self.lengths[0]))
        return (self.chars - self.lines) / filled
