"""Finds how much of generated texts occurs verbatim in the corpus that their model was trained on. Knows no models.

The longest match from each position is looked up in an index of the corpus (`worker/generation/text_index.py`), but not
at every position: the end of the longest match never decreases from one position to the next, so where two positions
have matches that end at the same place, all between them do too, and where even the later end is too near, no position
before it begins a copied run.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from worker.generation.suffix_array import PADDING, Places
from worker.generation.text_index import TextIndex

#: Fewest characters of a run that counts as copied. Chapters of the seed document's book (148,000 characters) share
#: runs of up to about 20 characters that belong to the language ("said christopher robin"), and few longer ones.
COPIED_RUN = 24
#: Characters between the positions that are looked up first, in texts of more characters than `_FEW` altogether.
_STRIDE, _FEW = 16, 4096
#: Takes the place of a NUL, which a corpus can't contain; no byte of UTF-8.
_NEVER = b"\xff"


def find_overlaps(
    texts: Sequence[str], index: TextIndex, *, tick: Callable[[], None] = lambda: None
) -> list[dict[str, object]]:
    """Return `{"longest": int, "share": float, "spans": [[start, end], …]}` for each text.

    `longest` is the length of the longest run of the text that occurs in the corpus. `spans` are the longest parts of
    the text, in order, of which each character belongs to a run of at least `COPIED_RUN` characters that occurs in the
    corpus; `share` is their share of the text's characters. `tick` is called at least every few hundredths of a second.
    """
    bounds = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    ends, longest = _match_ends("".join(texts), bounds, index, tick)
    begins = np.flatnonzero(ends - np.arange(len(ends)) >= COPIED_RUN)
    covered = np.zeros(len(ends) + 1, np.int64)
    np.add.at(covered, begins, 1)
    np.add.at(covered, begins + COPIED_RUN, -1)
    inside = covered.cumsum() > 0
    return [
        _described(inside[begin:end], int(most))
        for begin, end, most in zip(bounds[:-1], bounds[1:], longest, strict=True)
    ]


def _described(inside: NDArray[np.bool_], longest: int) -> dict[str, object]:
    framed = np.concatenate([[False], inside, [False]])
    edges = np.flatnonzero(framed[1:] != framed[:-1]).reshape(-1, 2)
    return {"longest": longest, "share": float(inside.mean()) if len(inside) else 0.0, "spans": edges.tolist()}


def _match_ends(text: str, bounds: Places, index: TextIndex, tick: Callable[[], None]) -> tuple[Places, Places]:
    """Return where matches from each position end, all in characters, and the longest match of each text.

    An end may be one of an earlier position if that makes no difference to which runs are copied.

    Args:
        text: all texts, one after the other.
        bounds: where each text begins, and the end of the last one.
        index: of the corpus.
        tick: called now and then.
    """
    query = np.frombuffer(text.encode("utf-8", "surrogatepass").replace(b"\0", _NEVER) + bytes(PADDING), np.uint8)
    offsets = np.flatnonzero((query[:-PADDING] & 0xC0) != 0x80)  # of each character: it begins there
    offsets = np.append(offsets, len(query) - PADDING)
    owner = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    longest = np.zeros(len(bounds) - 1, np.int64)
    ends = np.arange(len(text) + 1)
    known = np.zeros(len(text) + 1, bool)
    wanted = np.unique(np.concatenate([np.arange(0, len(text), _STRIDE if len(text) > _FEW else 1), bounds[:-1]]))
    wanted = wanted[wanted < len(text)]
    known[-1] = True
    while len(wanted):
        found = index.matches(query, offsets[wanted], offsets[bounds[owner[wanted] + 1]], tick)
        # A match that ends within a character ends before it.
        ends[wanted] = offsets.searchsorted(offsets[wanted] + found, side="right") - 1
        known[wanted] = True
        np.maximum.at(longest, owner[wanted], ends[wanted] - wanted)
        places = np.flatnonzero(known)
        left, right = places[:-1], places[1:]
        left, right = left[right - left > 1], right[right - left > 1]
        low, most = ends[left], np.minimum(ends[right], bounds[owner[left] + 1])
        undecided = (most - left > COPIED_RUN) & (low - right + 1 < COPIED_RUN)
        undecided |= most - left - 1 > longest[owner[left]]
        undecided &= low < most
        wanted = (left + right)[undecided] >> 1
    return _fill(ends, known), longest


def _fill(ends: Places, known: NDArray[np.bool_]) -> Places:
    """Replace the ends that aren't known by those of the last position before that is."""
    return ends[np.maximum.accumulate(np.where(known, np.arange(len(ends)), 0))][:-1]
