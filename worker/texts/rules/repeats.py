"""Passages that occur more than once."""

from array import array
from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

from worker.texts.facts import Facts
from worker.texts.findings import Place, percent
from worker.texts.rules.rule import Rule
from worker.texts.windows import Window

#: Characters from which a passage counts: a refrain is shorter.
_MIN_CHARS = 160
#: A paragraph of more characters is compared by its lines: such a text has no blank lines.
_LONGEST = 5_000


class Repeats(Rule):
    """Paragraphs, or long lines, that the text has had before, character by character."""

    id = "repeats"
    title = "Passages that occur twice"
    detail = f"Paragraphs of {_MIN_CHARS} and more characters that the text has had before, exactly."
    advice = "Keeps the first of each. Repeated text is learned by heart, and may be judged by what was learned."

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._seen: set[int] = set()

    def survey(self, window: Window) -> None:
        """Collect hashes."""
        self._hashes.extend(_hash(passage) for _, passage in _passages(window))

    def conclude(self, facts: Facts) -> bool:
        """Keep the hashes that occur twice."""
        found, counts = np.unique(np.frombuffer(self._hashes, np.uint64), return_counts=True)
        self._twice = set(found[counts > 1].tolist())
        self._hashes = array("Q")
        return super().conclude(facts) and bool(self._twice)

    def places(self, window: Window) -> Iterator[Place]:
        """Yield all but the first occurrences, with the blank lines behind them."""
        for start, passage in _passages(window):
            if (found := _hash(passage)) not in self._twice:
                continue
            if found in self._seen:
                end = begin = start - window.offset + len(passage)
                while window.text[end : end + 1] == "\n":
                    end += 1
                yield Place(start, start + len(passage) + end - begin, "")
            self._seen.add(found)

    def cost(self) -> str:
        """Name their share."""
        return f"{percent(self.tally.chars / self.facts.chars)} of the characters are learned more than once"

    def advised(self) -> bool:
        """Advise it from a hundredth of the text: a few repeated paragraphs may be meant."""
        return self.tally.chars >= 0.01 * self.facts.chars


def _hash(passage: str) -> int:
    return int.from_bytes(blake2b(passage.encode(), digest_size=8).digest(), "little")


def _passages(window: Window) -> Iterator[tuple[int, str]]:
    for start, paragraph in window.paragraphs():
        if len(paragraph) <= _LONGEST:
            if len(paragraph) >= _MIN_CHARS:
                yield start, paragraph
            continue
        place = start
        for line in paragraph.split("\n"):
            if len(line) >= _MIN_CHARS:
                yield place, line
            place += len(line) + 1
