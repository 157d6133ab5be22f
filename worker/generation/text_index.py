"""The index of a corpus: what it takes to find what a generated text copies from it, however long both are.

A folder that is written once and mapped into memory by every process that needs it:

    text-<n>.npy    a piece of the text, UTF-8, as the model read it, and some zeros; pieces overlap
    order-<n>.npy   its suffix array
    index.json      format version, number of pieces, longest runs; written last

It takes 5 bytes of disk for each byte of text. Building takes 0.1 s of processor time per megabyte and `PIECE_BYTES`
times 5 of memory, whatever the text's length (bench/LOG.md). The text is in it because the corpus may have other
letters (`lowercase`), and so that no other file is needed to read it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import Damaged
from shared.volume.files import committed, read_json, translated, write_json
from worker.generation.longest_runs import LongestRuns
from worker.generation.suffix_array import PADDING, Bytes, Places, SuffixArray

VERSION = 1
#: Bytes of text in a piece beyond those it shares with the next one. Few pieces are searched faster, small ones built
#: in less memory.
PIECE_BYTES = 64 << 20
#: Bytes that two pieces share: a copied passage of up to this length is found whole. A generated text has 400,000 at
#: most.
OVERLAP_BYTES = 1 << 20
_MANIFEST = "index.json"


class TextIndex:
    """An index in memory or on the volume."""

    def __init__(self, pieces: Sequence[SuffixArray], longest_runs: Mapping[str, int]) -> None:
        self._pieces = pieces
        #: The longest run of each character that follows itself somewhere in the text.
        self.longest_runs = longest_runs

    def matches(self, query: Bytes, starts: Places, ends: Places, tick: Callable[[], None] = lambda: None) -> Places:
        """Return for each start how many bytes from there occur in the text: see `SuffixArray.matches`."""
        found = np.zeros(len(starts), np.int64)
        for piece in self._pieces:
            np.maximum(found, piece.matches(query, starts, ends, tick), out=found)
        return found


def build(folder: Path, parts: Iterable[str]) -> None:
    """Write the index of a text that comes in parts to an empty folder. Raises VolumeUnavailable.

    Best in a process of its own: the suffix array is made by one call of a library that can't be interrupted.
    """
    runs, pending, count = LongestRuns(), bytearray(), 0
    for part in parts:
        runs.feed(part)
        pending += part.encode()
        if len(pending) >= PIECE_BYTES + OVERLAP_BYTES:
            _write_piece(folder, count, pending)
            del pending[:PIECE_BYTES]
            count += 1
    if not count or len(pending) > OVERLAP_BYTES:
        _write_piece(folder, count, pending)
        count += 1
    write_json(folder / _MANIFEST, {"version": VERSION, "pieces": count, "longest_runs": runs.found()})


def load(folder: Path) -> TextIndex | None:
    """Map the index in a folder; None if there is none. Raises Damaged, VolumeUnavailable."""
    manifest = read_json(folder / _MANIFEST)
    if manifest is None:
        return None
    try:
        if manifest["version"] != VERSION:
            return None
        pieces = [_load_piece(folder, number) for number in range(manifest["pieces"])]
        return TextIndex(pieces, dict(manifest["longest_runs"]))
    except (LookupError, TypeError, ValueError, FileNotFoundError, EOFError) as exc:
        raise Damaged(f"The index {folder.name} of {folder.parent.name} is damaged: {exc}.") from exc


def _load_piece(folder: Path, number: int) -> SuffixArray:
    with translated():
        text, order = (np.load(path, mmap_mode="r") for path in _paths(folder, number))
    if (text.dtype, order.dtype, len(text)) != (np.uint8, np.int32, len(order) + PADDING) or text[-PADDING:].any():
        raise ValueError(f"piece {number} isn't a text with its suffix array")
    piece = SuffixArray(text, order)
    if not piece.is_plausible():
        raise ValueError(f"the order of piece {number} is wrong")
    return piece


def _write_piece(folder: Path, number: int, text: bytearray) -> None:
    text_path, order_path = _paths(folder, number)
    text += bytes(PADDING)
    padded = np.frombuffer(text, np.uint8)  # no copy: it would be a fifth of the memory that is needed
    _save(text_path, padded)
    _save(order_path, sort_suffixes(padded[:-PADDING]))
    del padded
    del text[-PADDING:]


def sort_suffixes(text: Bytes) -> NDArray[np.int32]:
    """Return the suffix array of a text, by libdivsufsort."""
    if not len(text):
        return np.empty(0, np.int32)
    from pydivsufsort import divsufsort  # noqa: PLC0415  only needed here

    order: NDArray[np.int32] = divsufsort(text)
    return order


def _paths(folder: Path, number: int) -> tuple[Path, Path]:
    return folder / f"text-{number}.npy", folder / f"order-{number}.npy"


def _save(path: Path, array: NDArray[Any]) -> None:
    with committed(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)
