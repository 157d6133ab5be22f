"""How long a run of one character may grow in a generated text, and how long the runs of texts in progress are.

A model that has learned indented code or verse may end in blanks without end: after so many of them, the next one is
all but certain. A run that would grow beyond its limit is cut by choosing another character.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shared.text.vocabulary import Vocabulary

#: A run of so many characters is always allowed, if the corpus has one of any character: a name with "aaa" that the
#: corpus doesn't contain is a find, not a failure.
ALWAYS_ALLOWED = 8

Limits = NDArray[np.int64]


def run_limits(max_run: int | None, longest_runs: Mapping[str, int] | None, vocabulary: Vocabulary) -> Limits | None:
    """Return how long a run of each character may grow, (V,); None if there is no limit.

    Args:
        max_run: a limit for all characters; 0 for none; None for what the corpus has.
        longest_runs: characters that follow themselves somewhere in the corpus, and how often in a row at most; None if
            that isn't known.
        vocabulary: the characters that can be written. If there is only one, it has no limit.
    """
    if max_run == 0 or len(vocabulary) == 1:
        return None
    if max_run is not None:
        return np.full(len(vocabulary), max_run)
    if longest_runs is None:
        return None
    least = min(ALWAYS_ALLOWED, max(longest_runs.values(), default=1))
    return np.array([max(least, longest_runs.get(character, 1)) for character in vocabulary.characters])


class Runs:
    """The runs at the ends of several texts, one lane each."""

    def __init__(self, limits: Limits, prompt: NDArray[np.int64], lanes: int) -> None:
        """Begin at the end of the prompt, (T,), whose last run counts."""
        others = np.flatnonzero(prompt != prompt[-1])
        length = len(prompt) - (int(others[-1]) + 1 if len(others) else 0)
        self._limits = limits
        self._last, self._lengths, self._written = [int(prompt[-1])] * lanes, [length] * lanes, [0] * lanes
        self._variants = list(range(lanes))
        self._cuts: list[list[int]] = [[] for _ in range(lanes)]

    def count_cuts(self, variant: int, length: int) -> int:
        """Return how many runs were cut in the first `length` characters of a variant."""
        return sum(place < length for place in self._cuts[variant])

    def banned(self, lane: int) -> int | None:
        """Return the character that a lane mustn't continue with, if there is one."""
        last = self._last[lane]
        return last if self._lengths[lane] >= self._limits[last] else None

    def take(self, codes: NDArray[np.int32], first: int = 0) -> NDArray[np.bool_] | None:
        """Take in the next characters, (lanes, n), unless a run becomes too long: then return where.

        Args:
            codes: what is written next.
            first: the lane of the first row.
        """
        rows = slice(first, first + len(codes))
        lengths = self._run_lengths(codes, rows)
        excess: NDArray[np.bool_] = lengths > self._limits[codes]
        if excess.any():
            return excess
        self._lengths[rows] = lengths[:, -1].tolist()
        self._last[rows] = codes[:, -1].tolist()
        self._written[rows] = [written + codes.shape[1] for written in self._written[rows]]
        return None

    def add(self, lane: int, code: int) -> None:
        """Take in the next character of one lane."""
        self._lengths[lane] = self._lengths[lane] + 1 if code == self._last[lane] else 1
        self._last[lane] = code
        self._written[lane] += 1

    def cut(self, lane: int, offset: int = 0) -> None:
        """Note that another character was chosen, so many characters after those taken in."""
        self._cuts[self._variants[lane]].append(self._written[lane] + offset)

    def keep(self, lanes: list[int]) -> None:
        """Continue with these lanes only, in this order."""
        for part in (self._last, self._lengths, self._written, self._variants):
            part[:] = [part[lane] for lane in lanes]

    def _run_lengths(self, codes: NDArray[np.int32], rows: slice) -> NDArray[np.int64]:
        """Return the length of the run that ends at each of the next characters, (lanes, n)."""
        before = np.concatenate([np.array(self._last[rows], np.int32)[:, None], codes[:, :-1]], axis=1)
        places = np.arange(codes.shape[1])
        starts = np.where(codes != before, places, -np.array(self._lengths[rows])[:, None])
        return places + 1 - np.maximum.accumulate(starts, axis=1)
