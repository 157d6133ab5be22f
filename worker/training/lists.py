"""A list as a text: its items in another order in each epoch, whole items held out. Knows no models.

The text stays as it was encoded. In addition to it there are some 30 bytes per item, and none per character.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from shared.requests.options import StreamRequest
from shared.requests.validation import MAX_ROWS, WARM_UP_CHARS, ValidationPart, tail, validation_part
from shared.text.items import ModelItems, split
from worker.nn.randomness import Permutation, derive
from worker.training.baselines import CONTEXT, MAX_TRAINING
from worker.training.data import Chunks, Codes

#: Items that are joined at a time, and positions of a permutation that are computed at a time.
_JOINED, _PERMUTED = 1000, 1 << 16
#: The held-out part takes at most this multiple of its share: an item can be as long as all others together.
_MAX_FACTOR = 2.0


@dataclass(frozen=True)
class Listing:
    """The items of a text in their order, collected while it is read."""

    separator: str
    #: Of each item: its characters, the separator included, and the hash that decides whether it is held out.
    _lengths: "array[int]" = field(default_factory=lambda: array("I"))
    _hashes: "array[int]" = field(default_factory=lambda: array("Q"))

    def read(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yield a text's items, each followed by the separator, in pieces; the first reading collects them."""
        items, known = split(pieces, self.separator), bool(self._lengths)
        while some := list(islice(items, _JOINED)):
            if not known:
                self._lengths.extend(len(item) + len(self.separator) for item in some)
                self._hashes.frombytes(b"".join(blake2b(item.encode(), digest_size=8).digest() for item in some))
            yield self.separator.join([*some, ""])

    @property
    def lengths(self) -> NDArray[np.uint32]:
        """The characters of each item, its separator included, (N,)."""
        return np.frombuffer(self._lengths, dtype=np.uint32)

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """The hash of each item, (N,): equal items have equal ones."""
        return np.frombuffer(self._hashes, dtype=np.uint64)

    def described(self) -> ModelItems:
        """Return what a model records of the list that it was trained on."""
        hashes = np.sort(self.hashes)
        unique = 1 + np.count_nonzero(hashes[1:] != hashes[:-1])
        return ModelItems(separator=self.separator, count=len(hashes), unique=int(unique))


def held_out(
    lengths: NDArray[np.uint32], hashes: NDArray[np.uint64], *, fraction: float, needed: int
) -> NDArray[np.bool_]:
    """Return which items are held out for validation, (N,): those with the lowest hashes, equal items together.

    An item's hash alone decides, so it stays held out when the list grows. Too long ones are trained on all the same.

    Args:
        lengths: characters of each item, (N,).
        hashes: of each item, (N,), uniformly distributed.
        fraction: share of the items to hold out.
        needed: characters that have to be left to train on.
    """
    found = np.zeros(len(lengths), dtype=bool)
    low = np.flatnonzero(hashes < np.uint64(fraction * 2.0**64))
    total = int(lengths.sum())
    most = min(_MAX_FACTOR * fraction * total, (1 + fraction) / 2 * total, total - needed)
    _, kind = np.unique(hashes[low], return_inverse=True)
    sizes = np.bincount(kind, weights=lengths[low])
    short = sizes <= most
    found[low] = (short & (np.cumsum(np.where(short, sizes, 0)) <= most))[kind]
    return found


class ShuffledChunks(Chunks):
    """The chunks of a text that is made of the same items in another order in each epoch."""

    def __init__(
        self,
        codes: Codes,
        *,
        starts: NDArray[np.int64],
        lengths: NDArray[np.uint32],
        between: int,
        seq_length: int,
        batch_size: int,
        seed: int,
    ) -> None:
        sizes = {"seq_length": seq_length, "batch_size": batch_size}
        super().__init__(codes, starts=starts, lengths=lengths, **sizes, seed=seed)
        self._starts, self._lengths, self._between = starts, lengths, between
        self._epoch = -1

    def begins(self, epoch: int, batch: int) -> NDArray[np.bool_] | None:
        """Return which rows of a chunk begin with the separator before an item, (B,)."""
        if epoch != self._epoch:
            self._shuffle(epoch)
        places = self._places(epoch, batch)[:, 0]
        found: NDArray[np.bool_] = (
            self._ends[np.searchsorted(self._ends, places, side="right")] - places == self._between
        )
        return found

    def _read(self, epoch: int, places: NDArray[np.int64]) -> Codes:
        if epoch != self._epoch:
            self._shuffle(epoch)
        return super()._read(epoch, places)

    def _shuffle(self, epoch: int) -> None:
        """Put the items into the epoch's order."""
        order = _shuffled(len(self._starts), derive(self._seed, "items", epoch))
        self._order(self._starts[order], self._lengths[order])
        self._epoch = epoch


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A text, cut into what is trained on and what is held out."""

    #: What is trained on.
    chunks: Chunks
    #: The same as a text; of a long one only as much as baselines read.
    training: Codes
    #: A text, and what is held out of it.
    read: Codes
    part: ValidationPart

    @property
    def validation(self) -> list[Codes]:
        """What is held out, each share with the characters before it that baselines need to predict its first one."""
        starts, share = self.part.starts, self.part.share
        return [self.read[max(0, start - CONTEXT) : start + share] for start in starts] if self.part.count else []


def cut(codes: Codes, listing: Listing | None, request: StreamRequest, *, seed: int) -> Cut:
    """Cut a text as the request says."""
    sizes = {"seq_length": request.seq_length, "batch_size": request.batch_size}
    if listing is None:
        part = validation_part(request, len(codes))
        passages = np.array([*part.segments()], dtype=np.int64)
        # The end of each passage, so that the whole text has a part in a long one's baselines.
        most = MAX_TRAINING // len(passages)
        training = np.concatenate([codes[max(start, stop - most) : stop] for start, stop in passages])
        begins = passages[:, 0]
        chunks = Chunks(codes, starts=begins, lengths=passages[:, 1] - begins, **sizes, seed=seed)
        return Cut(chunks=chunks, training=training, read=codes, part=part)
    lengths = listing.lengths
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    held = held_out(lengths, listing.hashes, fraction=request.validation_fraction, needed=request.batch_size)
    chunks = ShuffledChunks(
        codes, starts=starts[~held], lengths=lengths[~held], between=len(listing.separator), **sizes, seed=seed
    )
    trained, out = np.flatnonzero(~held), np.flatnonzero(held)
    # Both are shuffled: in a sorted list, an item's neighbours would help to predict it.
    some = trained[_shuffled(len(trained), derive(seed, "some"), most=int(MAX_TRAINING / lengths.mean()))]
    training = _joined(codes, starts, lengths, some)
    held_text = _joined(codes, starts, lengths, out[_shuffled(len(out), derive(seed, "held out"))])
    # The state of the held-out part's batch rows warms up on what precedes it.
    text = np.concatenate([training[: MAX_ROWS * WARM_UP_CHARS], held_text])
    return Cut(chunks=chunks, training=training, read=text, part=tail(len(text), len(held_text)))


def _shuffled(count: int, key: int, *, most: int | None = None) -> NDArray[np.int64]:
    """Return 0..count-1, or the first `most` of them, in an order that the key decides."""
    permutation = Permutation(count, key)
    order = np.empty(count if most is None else min(count, most), dtype=np.int64)
    for begin in range(0, len(order), _PERMUTED):
        order[begin : begin + _PERMUTED] = permutation(np.arange(begin, min(begin + _PERMUTED, len(order))))
    return order


def _joined(codes: Codes, starts: NDArray[np.int64], lengths: NDArray[np.uint32], items: NDArray[np.int64]) -> Codes:
    parts = [codes[starts[item] : starts[item] + lengths[item]] for item in items]
    return np.concatenate(parts) if parts else codes[:0]
