"""A text as one integer array, and the batches that are cut from it on demand. Knows no models.

Nothing else of a text is in memory as a whole: it is read twice in pieces, to survey and to encode it. A character
takes 1 byte (up to 256 distinct ones), 2 or 4, and a batch is cut out by an index.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.requests.validation import ValidationPart
from shared.text.vocabulary import Vocabulary
from worker.nn.code_points import code_points
from worker.nn.randomness import Permutation, derive, rng

Codes = NDArray[Any]  # uint8, uint16 or int32
_UNICODE = 0x110000


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a text consists of."""

    #: Its vocabulary, as `Vocabulary.of` has it.
    vocabulary: Vocabulary
    #: Its length.
    chars: int


def survey(pieces: Iterable[str]) -> Survey:
    """Survey a text, a hundred times faster than `Vocabulary.of`."""
    seen = np.zeros(_UNICODE, dtype=bool)
    chars = highest = 0
    for piece in pieces:
        points = code_points(piece)
        seen[points] = True
        chars, highest = chars + len(points), max(highest, int(points.max(initial=0)))
    found = np.flatnonzero(seen[: highest + 1])
    return Survey(vocabulary=Vocabulary("".join(map(chr, found.tolist()))), chars=chars)


def encode(pieces: Iterable[str], vocabulary: Vocabulary, *, chars: int) -> Codes:
    """Return the index of each character, (chars,), in the smallest of uint8, uint16 and int32 that holds them all.

    Raises KeyError on a character that isn't in the vocabulary, ValueError unless the text has `chars` characters.
    """
    size = len(vocabulary)
    known = code_points(vocabulary.characters)
    # One entry more than the highest code point: all above are clipped to it, and none of them is known.
    table = np.full(int(known.max(initial=0)) + 2, -1, dtype=np.int32)
    table[known] = np.arange(size, dtype=np.int32)
    dtype = np.uint8 if size <= 1 << 8 else np.uint16 if size <= 1 << 16 else np.int32
    codes = np.empty(chars, dtype=dtype)
    filled = 0
    for piece in pieces:
        found = table.take(code_points(piece), mode="clip")
        if found.min(initial=0) < 0:
            raise KeyError(piece[int(found.argmin())])
        codes[filled : filled + len(found)] = found
        filled += len(found)
    if filled != chars:
        raise ValueError(f"the text has {filled} characters; {chars} were expected")
    return codes


class Windows:
    """Every window of `seq_length` characters and the character after it, as in the seed document."""

    def __init__(self, codes: Codes, *, seq_length: int, batch_size: int, seed: int) -> None:
        self.count = len(codes) - seq_length
        self.batches = -(-self.count // batch_size)
        self._codes, self._batch_size, self._seed = codes, batch_size, seed
        self._offsets = np.arange(seq_length)

    def training(self, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
        """Return a batch in the epoch's own order: windows (B, T) int64 and targets (B,) int64."""
        order = Permutation(self.count, derive(self._seed, "windows", epoch))
        return self._cut(order(self._places(batch)))

    def evaluation(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return a batch in the text's order: windows (B, T) int64 and targets (B,) int64."""
        return self._cut(self._places(batch))

    def _places(self, batch: int) -> NDArray[np.int64]:
        start = batch * self._batch_size
        return np.arange(start, min(start + self._batch_size, self.count))

    def _cut(self, starts: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        windows = self._codes[starts[:, None] + self._offsets]
        targets = self._codes[starts + len(self._offsets)]
        return torch.from_numpy(windows.astype(np.int64)), torch.from_numpy(targets.astype(np.int64))


class Chunks:
    """The text in `batch_size` batch rows, a chunk at a time; each chunk continues where the one before it ended.

    What is trained on are passages of the text, one after another. They are treated as a ring that each epoch enters at
    another place, so that the boundaries of chunks and rows differ every time. All chunks of an epoch have the same
    length, at most `seq_length`, chosen so that nearly every character is a target once.

    Arguments:
        codes: the text.
        starts: where each passage begins in the text, (N,).
        lengths: the characters of each, (N,).
    """

    def __init__(
        self,
        codes: Codes,
        *,
        starts: NDArray[np.int64],
        lengths: NDArray[Any],
        seq_length: int,
        batch_size: int,
        seed: int,
    ) -> None:
        self._codes, self._seed = codes, seed
        self._order(starts, lengths)
        self._size = int(self._ends[-1])
        share = self._size // batch_size
        self.batches = -(-share // seq_length)
        self.length = share // self.batches
        self.characters = batch_size * self.length * self.batches
        self._rows = np.arange(batch_size)[:, None] * share
        self._offsets = np.arange(self.length + 1)
        #: Where the running epoch enters the ring.
        self._entrances: dict[int, int] = {}

    def training(self, epoch: int, batch: int) -> tuple[Tensor, Tensor]:
        """Return a chunk of an epoch: inputs and targets, each (B, T) int64, targets shifted by one character."""
        both = torch.from_numpy(self._read(epoch, self._places(epoch, batch)).astype(np.int64))
        return both[:, :-1], both[:, 1:]

    def begins(self, _epoch: int, _batch: int) -> NDArray[np.bool_] | None:
        """Return which rows of a chunk begin as a new text does, from a zero state, (B,); None if none does."""
        return None

    def _places(self, epoch: int, batch: int) -> NDArray[np.int64]:
        """Return the places of a chunk, and the one after it, in an epoch's text, (B, T + 1)."""
        if epoch not in self._entrances:  # a generator takes as long as the rest
            self._entrances = {epoch: int(rng(self._seed, "chunks", epoch).integers(self._size))}
        entrance = self._entrances[epoch]
        begins = (entrance + batch * self.length + self._rows) % self._size
        places: NDArray[np.int64] = begins + self._offsets
        return places if begins.max() + self.length < self._size else places % self._size

    def _read(self, _epoch: int, places: NDArray[np.int64]) -> Codes:
        """Return the codes at these places of an epoch's text, (rows, characters), one after another in each row."""
        # Mostly all of a row is in one passage.
        passage = np.searchsorted(self._ends, places[:, :1], side="right")
        if (places[:, -1:] >= self._ends[passage]).any() or (places[:, -1] < places[:, 0]).any():
            passage = np.searchsorted(self._ends, places, side="right")
        found: Codes = self._codes[places - self._ends[passage] + self._sources[passage]]
        return found

    def _order(self, starts: NDArray[np.int64], lengths: NDArray[Any]) -> None:
        """Compute where each passage ends, in what is trained on and in the text as it is stored."""
        self._ends = np.cumsum(lengths, dtype=np.int64)
        self._sources = starts + lengths


class Continuation:
    """The validation part of a text, each character predicted once, in several batch rows.

    Each row first reads some characters before its share, so that its state is that of a single row that reads
    everything: after some hundreds of characters nothing is left of an earlier state that changes the loss (to 1e-4
    nats where measured).
    """

    def __init__(self, codes: Codes, part: ValidationPart, *, length: int) -> None:
        self._share, self._lead = part.share, part.lead
        self._length = max(1, length // len(part.starts))
        self._leads = -(-self._lead // self._length)
        self.batches = self._leads + -(-self._share // self._length) if part.count else 0
        self.first_from_zero = part.first_from_zero
        self._codes, self._begins = codes, np.array(part.starts)[:, None]

    def leads(self, batch: int) -> bool:
        """Return True if this batch only warms up the state."""
        return batch < self._leads

    def evaluation(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return a chunk: inputs and targets, each (rows, T) int64; the first input is the character before it.

        Targets that don't count are -100, which torch's losses ignore.
        """
        if batch < self._leads:
            begin, end = batch * self._length - self._lead, min(0, (batch + 1) * self._length - self._lead)
        else:
            begin = (batch - self._leads) * self._length
            end = min(begin + self._length, self._share)
        places = self._begins + np.arange(begin - 1, end)
        both = self._codes[np.minimum(places, len(self._codes) - 1)].astype(np.int64)
        inputs, targets = both[:, :-1], both[:, 1:].copy()
        targets[places[:, 1:] >= len(self._codes)] = -100
        return torch.from_numpy(inputs.copy()), torch.from_numpy(targets)
