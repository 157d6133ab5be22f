"""Parts that are unlike the rest, measured by an n-gram model of three characters."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from worker.texts.facts import Facts
from worker.texts.findings import Place
from worker.texts.rules.rule import Rule
from worker.texts.windows import Window

#: Classes of characters: letters without their case, one for digits; characters beyond ASCII share them by code point.
_CLASSES = 64
#: How much a shorter context counts: pseudo-observations that it spreads.
_BACKOFF = 8.0
#: Parts into which a text is divided to compare its end with the rest. A training is judged by the last one.
PARTS = 10
#: Nats per character by which an end is unlike the rest, or a section of this many characters unlike the text.
#: In novels, verse, proverbs and collections of them no section differs from most of the text by more than 0.6; the
#: licence of a novel by 1.0, and German or Italian in an English one by 1.7 to 2.3. What differs by `_ALIKE` at
#: most is most of the text.
_UNLIKE_END, _UNLIKE_SECTION, _ALIKE, _SECTION_CHARS = 0.15, 0.8, 0.2, 2_048
_LONG_TEXT = 20_000

_Counts = NDArray[np.integer[Any]]


def _class_of() -> NDArray[np.uint16]:
    classes = np.arange(256) % _CLASSES
    for code in range(128):
        character = chr(code).lower()
        if character.isalpha():
            classes[code] = ord(character) - ord("a")
        elif character.isdigit():
            classes[code] = 26
        else:
            classes[code] = 27 + code % (_CLASSES - 27)
    return classes.astype(np.uint16)


_CLASS_OF = _class_of()


@lru_cache(maxsize=1)
def _trigrams(window: Window) -> NDArray[np.int32]:
    codes = window.codes
    small = _CLASS_OF[codes if codes.dtype == np.uint8 else codes % 256].astype(np.int32)
    return (small[:-2] * _CLASSES + small[1:-1]) * _CLASSES + small[2:]


def log_probabilities(counts: _Counts) -> NDArray[np.float64]:
    """Return the natural logarithms of P(c | a, b), by how often each trigram occurs; shorter contexts smooth it."""
    trigrams = counts.reshape(_CLASSES, _CLASSES, _CLASSES).astype(np.float64)
    bigrams = trigrams.sum(0)
    unigrams = bigrams.sum(0) + 0.01
    p1 = unigrams / unigrams.sum()
    p2 = (bigrams + _BACKOFF * p1) / (bigrams.sum(1, keepdims=True) + _BACKOFF)
    p3 = (trigrams + _BACKOFF * p2) / (trigrams.sum(2, keepdims=True) + _BACKOFF)
    logarithms: NDArray[np.float64] = np.log(p3).ravel()
    return logarithms


class _Stretches(Rule):
    """Counts the trigrams of each of some stretches of the text, which are merged in pairs as the text grows."""

    has_remedy = False
    #: Stretches that are kept at most; an even number.
    most: ClassVar[int]

    def __init__(self) -> None:
        self._counts: list[_Counts] = [np.zeros(_CLASSES**3, np.int32)]
        self._stretch = 1 << 9
        self._filled = 0

    def survey(self, window: Window) -> None:
        """Count the trigrams of each stretch."""
        found = _trigrams(window)
        while len(found):
            take = min(len(found), self._stretch - self._filled)
            self._counts[-1] += np.bincount(found[:take], minlength=_CLASSES**3).astype(np.int32)
            found, self._filled = found[take:], self._filled + take
            if self._filled == self._stretch:
                if len(self._counts) == self.most:
                    self._counts = [a + b for a, b in zip(self._counts[::2], self._counts[1::2], strict=True)]
                    self._stretch *= 2
                self._counts.append(np.zeros(_CLASSES**3, np.int32))
                self._filled = 0


class UnlikeEnd(_Stretches):
    """The last tenth, which a training keeps back to judge itself, when it is unlike the other nine."""

    id = "unlike-end"
    title = "An end unlike the rest"
    detail = "The last tenth, by which a training is judged and stopped, is harder to predict than any other."
    advice = "Fix the other findings first. If this one stays, take the validation part from the whole text."
    most = 4 * PARTS

    def conclude(self, facts: Facts) -> bool:
        """Measure each tenth by what the rest predicts."""
        if facts.chars < _LONG_TEXT:
            return False
        bounds = np.linspace(0, len(self._counts), PARTS + 1).round().astype(int)
        parts = [np.sum(self._counts[a:b], 0) for a, b in pairwise(bounds)]
        total = np.sum(parts, 0)
        self._losses = [-float(part @ log_probabilities(total - part)) / max(1, int(part.sum())) for part in parts]
        *others, end = self._losses
        return super().conclude(facts) and end > max(others) and end - float(np.median(others)) >= _UNLIKE_END

    def places(self, window: Window) -> Iterator[Place]:
        """Yield the last tenth."""
        begin = self.facts.chars - self.facts.chars // PARTS
        if window.start <= begin < window.start + len(window.own):
            yield Place(begin, self.facts.chars)

    def cost(self) -> str:
        """Compare the losses."""
        *others, end = self._losses
        median = float(np.median(others))
        return f"{end:.2f} nats per character by an n-gram model; the median of the other tenths is {median:.2f}"


class UnlikeSections(_Stretches):
    """Stretches that are far harder to predict than most of the text: another language, code, an index."""

    id = "unlike-sections"
    title = "Sections unlike the rest"
    detail = (
        "Stretches that an n-gram model of most of the text predicts far worse than the rest: another language, code."
    )
    advice = "Fix the other findings first. If what remains isn't wanted, upload the text without it."
    most = 2 * PARTS

    def conclude(self, facts: Facts) -> bool:
        """Make a model of the stretches that are alike: first of the half that is predicted best by all."""
        if facts.chars < _LONG_TEXT:
            return False
        counts = [one for one in self._counts if one.any()]
        kept, within = counts, 0.0
        for _ in range(3):
            model = np.sum(kept, 0)
            self._loss = -log_probabilities(model)
            self._mean = float(model @ self._loss) / max(1, int(model.sum()))
            losses = np.array([float(one @ self._loss) / int(one.sum()) for one in counts])
            kept = [one for one, loss in zip(counts, losses, strict=True) if loss <= np.median(losses) + within]
            within = _ALIKE
        return super().conclude(facts)

    def places(self, window: Window) -> Iterator[Place]:
        """Yield runs of blocks that are unlike the text."""
        losses = self._loss[_trigrams(window)]
        blocks = len(losses) // _SECTION_CHARS
        means = losses[: blocks * _SECTION_CHARS].reshape(blocks, _SECTION_CHARS).mean(1)
        unlike = np.flatnonzero(means > self._mean + _UNLIKE_SECTION)
        for run in np.split(unlike, np.flatnonzero(np.diff(unlike) > 1) + 1):
            if len(run):
                begin = window.start + int(run[0]) * _SECTION_CHARS
                yield Place(begin, begin + len(run) * _SECTION_CHARS)
