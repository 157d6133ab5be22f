"""What the validation part costs without a network, in nats per character: the scale for a model's loss.

The n-gram model is modified Kneser-Ney, interpolated (Chen and Goodman, "An Empirical Study of Smoothing Techniques for
Language Modeling", 1998): it learns the training part and predicts each character of the validation part from those
before it. Knows arrays of codes; no recipe and no model.
"""

import lzma
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.jobs.rows import Baselines, NGram

#: The longest n-grams: five characters predict the sixth. Shorter where six of a text's characters don't fit into 63
#: bits, from 1,449 distinct ones on.
MAX_ORDER = 6
#: Characters before a validation part that predict its first one.
CONTEXT = MAX_ORDER - 1
#: Characters that are read at most: of the training part its last ones, of the validation part its first ones.
MAX_TRAINING, MAX_XZ_TRAINING, MAX_VALIDATION = 4_000_000, 250_000, 2_000_000
#: N-grams that are looked up at once: what that takes in memory stays in a processor's cache.
_BLOCK = 1 << 16
#: Discounts of n-grams counted once, twice and more often, where a text is too short to estimate them; and the smallest
#: one, so that no character gets probability 0.
_DISCOUNTS, _MIN_DISCOUNT = (0.5, 1.0, 1.5), 0.1

Codes = NDArray[Any]
Keys = NDArray[np.int64]


def measure_baselines(training: Codes, slices: Sequence[Codes], characters: str) -> Baselines | None:
    """Return the losses on the validation part; None if there is none, or if the training part is shorter than n-grams.

    Arguments:
        training: index of each character of the training part.
        slices: the same of the validation part, each slice after the `CONTEXT` characters before it.
        characters: what the indices mean.
    """
    training = training[-MAX_TRAINING:]
    most = CONTEXT + MAX_VALIDATION // max(1, len(slices))
    slices = [one[:most] for one in slices if len(one) > CONTEXT]
    if len(training) < MAX_ORDER or not slices:
        return None
    validation = np.concatenate([one[CONTEXT:] for one in slices])
    xz = _xz_loss(training[-MAX_XZ_TRAINING:], validation, characters)
    occurs = np.zeros(len(characters), dtype=bool)
    for part in (training, *slices):
        occurs[part] = True
    index = (np.cumsum(occurs) - 1).astype(training.dtype)
    training, validation, size = index[training], index[validation], int(np.count_nonzero(occurs))
    slices = [index[one] for one in slices]
    order = min(MAX_ORDER, int(63 / math.log2(max(2, size))))
    return Baselines(
        unigram=_unigram_loss(training, validation, size=size),
        ngram=NGram(order=order, loss=_ngram_loss(training, slices, size=size, order=order)),
        xz=xz,
    )


def _unigram_loss(training: Codes, validation: Codes, *, size: int) -> float:
    """Return the loss of guessing by the characters' frequencies in the training part; each counts once more."""
    shares = (np.bincount(training, minlength=size) + 1) / (len(training) + size)
    return float(-np.bincount(validation, minlength=size) @ np.log(shares) / len(validation))


def _ngram_loss(training: Codes, slices: Sequence[Codes], *, size: int, order: int) -> float:
    """Return the loss of the n-gram model on slices that come after the `CONTEXT` characters before them."""
    found = np.concatenate([_ngrams(one[CONTEXT - order + 1 :], size=size, order=order) for one in slices])
    keys, counts = _counted(found)
    logs = np.log(probabilities(training, keys, size=size, order=order))
    return float(-counts @ logs / counts.sum())


def _xz_loss(training: Codes, validation: Codes, characters: str) -> float:
    """Return what xz (level 6) makes of both parts less what it makes of the first, as UTF-8."""
    code_points = np.array([ord(character) for character in characters], dtype="<u4")
    first, second = (code_points[part].tobytes().decode("utf-32-le").encode() for part in (training, validation))
    # A dictionary as large as the data finds what xz's own 8 MiB find, and takes less memory.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": max(4096, len(first) + len(second))}]
    with ThreadPoolExecutor(2) as threads:  # xz releases the GIL
        alone, both = threads.map(
            lambda data: len(lzma.compress(data, lzma.FORMAT_RAW, filters=filters)), (first, first + second)
        )
    return (both - alone) * math.log(256) / len(validation)


def probabilities(training: Codes, keys: Keys, *, size: int, order: int) -> NDArray[np.float64]:
    """Return the probability of each n-gram's last character after the others.

    Arguments:
        training: characters, each 0 to `size` - 1.
        keys: n-grams of `order` characters, each a number whose digits to base `size` they are.
        size: how many characters there are.
        order: the length of the n-grams.
    """
    found = np.zeros(len(keys))
    left = np.ones(len(keys))  # what the longer n-grams leave to the shorter ones
    known, counts = _counted(_ngrams(training, size=size, order=order))
    for length in range(order, 0, -1):
        discounts = _discounts(counts)
        contexts, starts = np.unique(known // size, return_index=True)
        taken = discounts[np.minimum(counts, 3)]
        totals = np.add.reduceat(counts, starts)
        shares = (counts - taken) / np.repeat(totals, np.diff(starts, append=len(known)))
        lefts = np.add.reduceat(taken, starts) / totals
        for begin in range(0, len(keys), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            wanted = keys[block] % size**length
            place, hit = _find(known, wanted)
            found[block] += np.where(hit, left[block] * shares[place], 0)
            place, hit = _find(contexts, wanted // size)
            left[block] *= np.where(hit, lefts[place], 1)
        if length > 1:
            # Shorter n-grams count once for each different character before them.
            known, counts = _counted(known % size ** (length - 1))
    return found + left / size


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what is taken off a count of 0, 1, 2, and 3 or more (Chen and Goodman, equation 26)."""
    one, two, three, four = (float(n) for n in np.bincount(np.minimum(counts, 5), minlength=6)[1:5])
    if not (one and two and three and four):
        return np.array([0, *_DISCOUNTS])
    share = one / (one + 2 * two)
    estimated = (1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three)
    return np.array([0, *np.clip(estimated, _MIN_DISCOUNT, (1, 2, 3))])


def _ngrams(codes: Codes, *, size: int, order: int) -> Keys:
    """Return all n-grams as numbers, in the text's order."""
    count = len(codes) - order + 1
    keys = np.zeros(count, dtype=np.int64)
    for place in range(order):
        keys *= size
        keys += codes[place : place + count]
    return keys


def _counted(keys: Keys) -> tuple[Keys, NDArray[np.int64]]:
    """Sort the keys in place; return the different ones and how often each occurs."""
    keys.sort()
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[starts], np.diff(starts, append=len(keys))


def _find(known: Keys, wanted: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return where each wanted number is in the sorted ones, and whether it is there."""
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return places, known[places] == wanted
