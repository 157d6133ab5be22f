"""Which items a training text has. Knows no files."""

from collections.abc import Iterable

import numpy as np


class KnownItems:
    """The items of a text, as a sorted array of 64-bit hashes: 8 bytes each, 13 MB for 1.6 million.

    Python's hash of a string has another key in each process, so no text can be made to collide. By chance, one in
    10**13 unknown items has the hash of one of 1.6 million.
    """

    def __init__(self, items: Iterable[str]) -> None:
        self._hashes = np.fromiter(map(hash, items), np.int64)
        self._hashes.sort()

    def __contains__(self, item: object) -> bool:
        place = int(self._hashes.searchsorted(hash(item)))
        return place < len(self._hashes) and int(self._hashes[place]) == hash(item)
