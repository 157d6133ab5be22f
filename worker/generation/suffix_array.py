"""Finds the longest matches of many texts in a large one by its suffix array. Knows bytes only.

A suffix array lists all positions of a text in the order of what follows them (U. Manber and G. Myers, "Suffix
arrays: a new method for on-line string searches", 1993), so a binary search finds the position whose continuation
shares the most with a query. All queries are searched at once, and bytes known to be equal are not compared again.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]

#: Zeros after a text: what is compared at once may begin at its end.
PADDING = 16
_WORD = 8
#: Queries that are searched at once; what they need then stays in the cache.
_AT_ONCE = 1 << 16


class SuffixArray:
    """A text without zero bytes, followed by `PADDING` zeros, and its suffix array, (len(text),) int32."""

    def __init__(self, text: Bytes, order: NDArray[np.int32]) -> None:
        self._words, self._order = _words(text), order

    def matches(self, query: Bytes, starts: Places, ends: Places, tick: Callable[[], None]) -> Places:
        """Return for each start how many bytes of the query from there, up to its end, occur in the text.

        Args:
            query: without zero bytes, followed by `PADDING` zeros.
            starts: where the parts to search for begin.
            ends: where they end; each part has a byte or more.
            tick: called every few hundredths of a second.
        """
        words = _words(query).astype(np.uint64)
        found = np.empty(len(starts), np.int64)
        order = np.argsort(words[starts], kind="stable")  # neighbors are compared with the same suffixes
        for begin in range(0, len(order), _AT_ONCE):
            some = order[begin : begin + _AT_ONCE]
            found[some] = self._search(words, starts[some], (ends - starts)[some], tick)
        return found

    def _search(self, query: NDArray[np.uint64], starts: Places, lengths: Places, tick: Callable[[], None]) -> Places:
        """Search for the parts of these starts and lengths: between `low`, which comes before, and `high`, after."""
        count, size = len(starts), len(self._order)
        low, high = np.full(count, -1), np.full(count, size)
        # Bytes, in whole words, that a part shares with the suffixes there.
        low_shared, high_shared = np.zeros(count, np.int64), np.zeros(count, np.int64)
        open_ = np.arange(count if size else 0)
        while len(open_):
            tick()
            middle = (low[open_] + high[open_]) >> 1
            start, place = starts[open_], self._order[middle].astype(np.int64)
            shared = np.minimum(low_shared[open_], high_shared[open_])
            below = np.zeros(len(open_), bool)
            equal = np.arange(len(open_))
            while len(equal):
                here, wanted = self._words[place[equal] + shared[equal]], query[start[equal] + shared[equal]]
                below[equal] = here < wanted
                equal = equal[here == wanted]
                shared[equal] += _WORD
                equal = equal[shared[equal] < lengths[open_[equal]]]
            lower, higher = open_[below], open_[~below]
            low[lower], low_shared[lower] = middle[below], shared[below]
            high[higher], high_shared[higher] = middle[~below], shared[~below]
            open_ = open_[high[open_] - low[open_] > 1]
        return np.maximum(
            self._exactly(query, starts, lengths, low, low_shared),
            self._exactly(query, starts, lengths, high, high_shared),
        )

    def _exactly(
        self, query: NDArray[np.uint64], starts: Places, lengths: Places, ranks: Places, shared: Places
    ) -> Places:
        """Return how many bytes each part shares with the suffix of that rank, none if there is none."""
        found = np.minimum(shared, lengths)
        some = np.flatnonzero((ranks >= 0) & (ranks < len(self._order)) & (shared < lengths))
        known = shared[some]
        differing = self._words[self._order[ranks[some]] + known] ^ query[starts[some] + known]
        found[some] = np.minimum(known + _leading_zero_bytes(differing), lengths[some])
        return found

    def is_plausible(self, checks: int = 128) -> bool:
        """Return False if one of so many pairs of neighbors isn't two positions of the text in their order."""
        size = len(self._order)
        if size < 2:
            return not self._order.any()
        places = np.unique(np.linspace(0, size - 2, checks).astype(np.int64))
        pair = self._order[places], self._order[places + 1]
        if any(((part < 0) | (part >= size)).any() for part in pair):
            return False
        first, second = (self._words[part] for part in pair)
        return bool(((first <= second) & (first >> 56 > 0) & (pair[0] != pair[1])).all())


def _words(text: Bytes) -> NDArray[np.uint64]:
    """View the eight bytes from each position on as a number that sorts as they do."""
    return np.ndarray((len(text) - _WORD + 1,), ">u8", buffer=text, strides=(1,))


def _leading_zero_bytes(words: NDArray[np.uint64]) -> Places:
    shifts = np.arange(56, -1, -8, dtype=np.uint64)
    found: Places = ((words[:, None] >> shifts) == 0).sum(axis=1)
    return found
