"""Finds how much of a text occurs verbatim in the corpus that its model was trained on. Knows no models.

A text's runs of k characters are found in the corpus by a hash of each of the corpus' runs of k characters, computed
piece by piece with numpy; matches are compared character by character, so the result is exact. Takes some 60 MB of
memory whatever the corpus' length. If there is an index of the corpus (`worker/generation/substring_index.py`), it is
used instead.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from worker.generation.substring_index import SubstringIndex
from worker.nn.code_points import code_points

#: Fewest characters of a run that counts as copied. Chapters of the seed document's book (148,000 characters) share
#: runs of up to about 20 characters that belong to the language ("said christopher robin"), and few longer ones.
COPIED_RUN = 24
#: Characters of the corpus per piece.
_PIECE = 1 << 19
_BASE = 0x9E3779B97F4A7C15  # odd, its bits well mixed: 2**64 divided by the golden ratio
#: Bits of the sieve beyond those that count its hashes: one run of the corpus in 64 passes by chance. A sieve that is
#: larger than needed leaves the processor's caches: 22 bits take twice as long for a text of 200 characters.
_SPARE_BITS = 6
_MAX_BITS = 22

Hashes = NDArray[np.uint64]


def find_overlap(
    text: str, corpus: str, *, runs: SubstringIndex | None = None, tick: Callable[[], None] = lambda: None
) -> dict[str, object]:
    """Return `{"longest": int, "share": float, "spans": [[start, end], …]}` of a text.

    `longest` is the length of the longest run of the text that occurs in the corpus. `spans` are the longest parts of
    the text, in order, of which each character belongs to a run of at least `COPIED_RUN` characters that occurs in the
    corpus; `share` is their share of the text's characters. `runs` indexes the corpus' runs of COPIED_RUN characters.
    `tick` is called at least every few hundredths of a second.
    """
    short: int | None = None  # the longest run if none has COPIED_RUN characters
    if runs is None:
        occurs = _occurrences(text, corpus, COPIED_RUN, tick)
    else:
        shared = runs.shared(text, tick=tick)
        occurs = shared[: max(0, len(text) - COPIED_RUN + 1)] == COPIED_RUN
        short = int(shared.max(initial=0))
    covered = np.zeros(len(text) + 1, dtype=np.int64)
    begins = np.flatnonzero(occurs)
    np.add.at(covered, begins, 1)
    np.add.at(covered, begins + COPIED_RUN, -1)
    inside = np.concatenate([[False], covered.cumsum()[: len(text)] > 0, [False]])
    edges = np.flatnonzero(inside[1:] != inside[:-1]).reshape(-1, 2)
    share = float((edges[:, 1] - edges[:, 0]).sum() / len(text)) if text else 0.0
    longest = _longest(text, corpus, occurs, tick) if short is None or occurs.any() else short
    return {"longest": longest, "share": share, "spans": edges.tolist()}


def _longest(text: str, corpus: str, occurs: NDArray[np.bool_], tick: Callable[[], None]) -> int:
    """Return the length of the longest common run; `occurs`: at which positions of the text runs of COPIED_RUN occur.

    A binary search between a length that occurs and one that doesn't, since every run of k contains runs of k-1.
    """
    if occurs.any():
        edges = np.flatnonzero(np.diff(np.concatenate([[0], occurs.view(np.int8), [0]]))).reshape(-1, 2)
        low, high = COPIED_RUN, int((edges[:, 1] - edges[:, 0]).max()) + COPIED_RUN  # high doesn't occur
        begin = int(edges[(edges[:, 1] - edges[:, 0]).argmax(), 0])
        tick()
        if text[begin : begin + high - 1] in corpus:
            return high - 1
        high -= 1
    else:
        low, high = 0, min(COPIED_RUN, len(text) + 1, len(corpus) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if _occurrences(text, corpus, middle, tick, first=True).any():
            low = middle
        else:
            high = middle
    return low


def _occurrences(text: str, corpus: str, k: int, tick: Callable[[], None], *, first: bool = False) -> NDArray[np.bool_]:
    """Return for each position of the text if the k characters from there occur in the corpus; `first`: stop at one."""
    places = max(0, len(text) - k + 1)
    found = np.zeros(places, dtype=bool)
    if not places or len(corpus) < k:
        return found
    hashes = _hashes(code_points(text), k)
    distinct, where = np.unique(hashes, return_inverse=True)
    order = where.argsort(kind="stable")  # positions by the slot of their hash
    bounds = where[order].searchsorted(np.arange(len(distinct) + 1))
    alive = np.ones(len(distinct), dtype=bool)  # slots with positions that haven't been found
    sieve, shift = _sieve(distinct)
    for begin in range(0, len(corpus) - k + 1, _PIECE):
        tick()
        piece = corpus[begin : begin + _PIECE + k - 1]
        here = _hashes(code_points(piece), k)
        hits = np.flatnonzero(sieve[here >> shift])
        slots = np.minimum(distinct.searchsorted(here[hits]), len(distinct) - 1)
        same = (distinct[slots] == here[hits]) & alive[slots]
        hits, slots = hits[same], slots[same]
        if not len(hits):
            continue
        by_slot = slots.argsort(kind="stable")
        hits, slots = hits[by_slot], slots[by_slot]
        distinct_slots, starts = np.unique(slots, return_index=True)
        for slot, start, end in zip(distinct_slots.tolist(), starts, [*starts[1:], len(hits)], strict=True):
            waiting = [p for p in order[bounds[slot] : bounds[slot + 1]].tolist() if not found[p]]
            # Nearly always the first hit matches all positions; only two runs with the same hash need more hits.
            for hit in hits[start:end]:
                run = piece[hit : hit + k]
                found[[p for p in waiting if text.startswith(run, p)]] = True
                waiting = [p for p in waiting if not found[p]]
                if not waiting:
                    alive[slot] = False
                    break
            if first and found.any():
                return found
        if not alive.any():
            break
        sieve, shift = _sieve(distinct[alive])
    return found


def _sieve(hashes: Hashes) -> tuple[NDArray[np.bool_], np.uint64]:
    """Return a table that is true at the upper bits of these hashes, and by how much to shift a hash to get them.

    It rules out most runs of the corpus.
    """
    bits = min(_MAX_BITS, len(hashes).bit_length() + _SPARE_BITS)
    shift = np.uint64(64 - bits)
    sieve = np.zeros(1 << bits, dtype=bool)
    sieve[hashes >> shift] = True
    return sieve, shift


def _hashes(points: NDArray[np.uint32], k: int) -> Hashes:
    """Return a hash of each run of k code points, (len - k + 1,) uint64: a polynomial modulo 2**64.

    Built from runs of half the length, so in some 2 log2(k) rounds rather than k.
    """
    single = (points.astype(np.uint64) + np.uint64(1)) * np.uint64(_BASE)
    hashes, length = single, 1
    for bit in bin(k)[3:]:
        hashes = hashes[:-length] * np.uint64(pow(_BASE, length, 1 << 64)) + hashes[length:]
        length *= 2
        if bit == "1":
            hashes = hashes[:-1] * np.uint64(_BASE) + single[length:]
            length += 1
    return hashes
