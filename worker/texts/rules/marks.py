"""Marks within the text that aren't part of its sentences: numbers of footnotes, long runs of punctuation."""

import re
from collections.abc import Iterator

from worker.texts.facts import Facts
from worker.texts.findings import Place
from worker.texts.rules.rule import Rule, matches
from worker.texts.windows import Window


class FootnoteNumbers(Rule):
    """Numbers of footnotes: [12] or superior digits behind a word."""

    id = "footnote-numbers"
    title = "Footnote numbers"
    detail = "Numbers that refer to notes, such as [12] or ¹² behind a word."
    advice = "Removes the numbers behind words; the notes themselves stay."
    #: The look-behind comes after what it is quick to search for. Numbers at a line's beginning belong to the notes.
    _PATTERNS = (
        re.compile(r"\[(?<=[^\s\[]\[)(\d{1,3})\](?!\w)(?:\[\d{1,3}\](?!\w))*"),
        re.compile("(?<=[^\\W\\d_¹²³⁰⁴-⁹]|[.,;:!?\"'”’»)])([¹²³⁰⁴-⁹]+)(?!\\w)"),
    )
    _HINTS = ("[", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    _SUPERIOR = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")

    def __init__(self) -> None:
        self._last = [0, 0]
        self._count = [0, 0]
        self._rising = [0, 0]

    def survey(self, window: Window) -> None:
        """Count the numbers of each kind, and those that follow the one before."""
        for kind, pattern in enumerate(self._PATTERNS):
            if not any(mark in window.own for mark in self._HINTS[kind]):
                continue
            for match in matches(pattern, window):
                number = int(match[1].translate(self._SUPERIOR))
                self._count[kind] += 1
                self._rising[kind] += number in {1, self._last[kind], self._last[kind] + 1}
                self._last[kind] = number

    def settle(self, facts: Facts) -> bool:
        """Take those kinds whose numbers count upwards: indexes of a program and powers of a formula don't."""
        self._kinds = [
            pattern
            for pattern, count, rising in zip(self._PATTERNS, self._count, self._rising, strict=True)
            if count >= 3 and rising >= 0.6 * count
        ]
        return super().settle(facts) and bool(self._kinds)

    def places(self, window: Window) -> Iterator[Place]:
        """Yield the numbers with their brackets."""
        spans = sorted(match.span() for pattern in self._kinds for match in matches(pattern, window))
        for begin, end in spans:
            yield Place(window.offset + begin, window.offset + end, "")


class PunctuationRuns(Rule):
    """Ten and more of the same punctuation mark."""

    id = "punctuation-runs"
    title = "Long runs of dots and lines"
    detail = "Ten and more of the same mark in a row, as in tables of contents, forms and rulers."
    advice = "Leaves three of each run."
    _RUNS = re.compile(r"([.\-_=*~#·•…+])(?:[ ]?\1){9,}")
    _MARKS = ".-_=*~#·•…+"

    def settle(self, facts: Facts) -> bool:
        """Find nothing in a text that hasn't ten of any."""
        return super().settle(facts) and any(facts.counts.get(mark, 0) >= 10 for mark in self._MARKS)

    def places(self, window: Window) -> Iterator[Place]:
        """Yield the runs."""
        for match in matches(self._RUNS, window):
            yield Place(window.offset + match.start(), window.offset + match.end(), match[1] * 3)

    def advised(self) -> bool:
        """Advise it where they take room."""
        return self.tally.chars >= 0.0005 * self.facts.chars
