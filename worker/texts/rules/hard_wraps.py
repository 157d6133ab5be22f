"""Line ends within paragraphs, where a line was full."""

import re
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from worker.texts.facts import Facts
from worker.texts.findings import Place, plural
from worker.texts.rules.rule import Rule
from worker.texts.windows import Window

#: Widths at which texts are wrapped, and the share of line ends within paragraphs that come from it.
_NARROWEST, _WIDEST, _WRAPPED = 40, 120, 0.6
#: Share of the characters that may be in lines much longer than the width, and how much that is.
_LONG, _MUCH = 0.1, 1.15
_IDEOGRAPH = "\u2e80"
_ITEM = re.compile(r"(?:[-*•+] |\(?\d{1,3}[.)] |[|>#])")


class HardWraps(Rule):
    """Line ends that are there since the next word didn't fit; verse and lists stay."""

    id = "hard-wraps"
    title = "Hard line wraps"
    detail = "Paragraphs whose lines end at a common width: the model has to learn where a line is full."
    advice = "Makes a paragraph one line. Lines that ended before they were full stay: verse, lists, headings."

    def __init__(self) -> None:
        #: Line ends within paragraphs, by the length that the line would have with the next word.
        self._with_next = np.zeros(256, np.int64)

    def survey(self, window: Window) -> None:
        """Count line ends within paragraphs."""
        lines = window.lines
        if len(lines) * 15 > len(window.own):
            return  # no prose has such short lines
        lengths = [
            min(255, len(line) + 1 + _first_word(following))
            for line, following in pairwise(lines)
            if line and following
        ]
        if lengths:
            self._with_next += np.bincount(lengths, minlength=256)

    def conclude(self, facts: Facts) -> bool:
        """Find the width, and whether the text is wrapped at it."""
        lengths = facts.lengths
        long = np.cumsum(lengths[30:][::-1])[::-1]  # lines by their least length
        if not len(long) or not long[0]:
            return False
        self._width = 30 + int(np.flatnonzero(long >= max(1, 0.02 * long[0]))[-1])
        sizes = np.arange(len(lengths)) * lengths
        too_long = int(sizes[min(len(lengths), int(_MUCH * self._width)) :].sum())
        full, breaks = int(self._with_next[self._width + 1 :].sum()), int(self._with_next.sum())
        wrapped = breaks >= 20 and full >= _WRAPPED * breaks and too_long <= _LONG * facts.chars
        return super().conclude(facts) and wrapped and _NARROWEST <= self._width <= _WIDEST

    def places(self, window: Window) -> Iterator[Place]:
        """Yield line ends that are joined."""
        lines = window.text[window.begin :].split("\n")
        start, before = window.start, ""
        stop = window.start + len(window.own)
        for line, following in pairwise(lines):
            end = start + len(line)
            if end >= stop:
                return
            if line and following and self._is_full(line, following, first=not before.strip()):
                bare, rest = line.rstrip(), following.lstrip()
                joint = "" if _joins_closely(bare, rest) else " "
                yield Place(start + len(bare), end + 1 + len(following) - len(rest), joint)
            before, start = line, end + 1

    def _is_full(self, line: str, following: str, *, first: bool) -> bool:
        if len(line) > self._width + 20 or len(line) + 1 + _first_word(following) <= self._width:
            return False
        rest = following.lstrip()
        indent, next_indent = len(line) - len(line.lstrip()), len(following) - len(rest)
        if not rest or not line.strip() or next_indent > indent or (next_indent < indent and not first):
            return False
        return not _ITEM.match(rest) and "   " not in line.strip() and "\t" not in line.strip()

    def cost(self) -> str:
        """Name the number of line ends."""
        return f"{plural(self.tally.count, 'line end')} at column {self._width} that no sentence has"


def _first_word(line: str) -> int:
    """Return the length of a line's first word."""
    word = line.split(None, 1)[:1]
    if not word:
        return 0
    return 1 if word[0][0] >= _IDEOGRAPH else len(word[0])


def _joins_closely(line: str, following: str) -> bool:
    """Return True if no blank belongs between two lines: behind a hyphen or dash within a word, between ideographs."""
    if line[-1] >= _IDEOGRAPH and following[0] >= _IDEOGRAPH:
        return True
    return (line.endswith(("--", "—", "-")) and line[-2:-1] not in {" ", ""}) or following.startswith(("--", "—"))
