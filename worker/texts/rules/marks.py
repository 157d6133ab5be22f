"""Marks within the text that aren't part of its sentences: numbers of footnotes, long runs of punctuation."""

import re
from collections.abc import Iterator

from worker.texts.facts import Facts
from worker.texts.findings import Place
from worker.texts.rules.rule import Rule, matches
from worker.texts.windows import Window


class FootnoteNumbers(Rule):
    """Numbers of footnotes directly behind a word."""

    id = "footnote-numbers"
    title = "Footnote numbers"
    detail = "Numbers that refer to notes, such as [12], ¹², [^12] or 12 directly behind a word."
    advice = "Removes the numbers behind words; the notes themselves stay."
    #: The look-behind comes after what it is quick to search for. Numbers at a line's beginning belong to the notes.
    _PATTERNS = (
        re.compile(r"\[(?<=[^\s\[]\[)\^?(\d{1,3})\](?!\w)(?:\[\^?\d{1,3}\](?!\w))*"),
        re.compile("(?<=[^\\W\\d_¹²³⁰⁴-⁹]|[.,;:!?\"'”’»)])([¹²³⁰⁴-⁹]+)(?!\\w)"),
        re.compile("([1-9](?:(?<=[^\\W\\d_]{2}.)|(?<=[^\\W\\d_][.,;:!?\"'”’»)].))\\d{0,2})(?!\\w|[.,:]\\d)"),
    )
    _HINTS = ("[", "⁰¹²³⁴⁵⁶⁷⁸⁹", "123456789")
    #: How many there must be of each kind, and the shares of them that count upwards and that are behind different
    #: words: indexes of a program, powers of a formula and numbers of figures (Fig.1) don't.
    _MIN_COUNTS, _RISING, _DIFFERENT = (3, 3, 5), 0.5, 0.7
    #: Characters before a number that are compared, and different ones that are remembered.
    _WORD_CHARS, _MAX_WORDS = 5, 10_000
    _SUPERIOR = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")

    def __init__(self) -> None:
        self._last, self._count, self._rising = [0, 0, 0], [0, 0, 0], [0, 0, 0]
        self._words: tuple[set[str], ...] = (set(), set(), set())

    def survey(self, window: Window) -> None:
        """Count the numbers of each kind, and those that follow the one before."""
        for kind, pattern in enumerate(self._PATTERNS):
            if not any(mark in window.own for mark in self._HINTS[kind]):
                continue
            for match in matches(pattern, window):
                number = int(match[1].translate(self._SUPERIOR))
                self._count[kind] += 1
                self._rising[kind] += number in {1, self._last[kind] + 1}
                self._last[kind] = number
                if len(self._words[kind]) < self._MAX_WORDS:
                    self._words[kind].add(window.text[max(0, match.start() - self._WORD_CHARS) : match.start()])

    def conclude(self, facts: Facts) -> bool:
        """Take those kinds whose numbers count upwards behind different words."""
        self._kinds = [pattern for kind, pattern in enumerate(self._PATTERNS) if self._are_notes(kind)]
        return super().conclude(facts) and bool(self._kinds)

    def _are_notes(self, kind: int) -> bool:
        count, words = self._count[kind], len(self._words[kind])
        rises = self._rising[kind] >= self._RISING * count
        return count >= self._MIN_COUNTS[kind] and rises and words >= self._DIFFERENT * min(count, self._MAX_WORDS)

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

    def conclude(self, facts: Facts) -> bool:
        """Find nothing in a text that hasn't ten of any."""
        return super().conclude(facts) and any(facts.counts.get(mark, 0) >= 10 for mark in self._MARKS)

    def places(self, window: Window) -> Iterator[Place]:
        """Yield the runs."""
        for match in matches(self._RUNS, window):
            yield Place(window.offset + match.start(), window.offset + match.end(), match[1] * 3)

    def advised(self) -> bool:
        """Advise it where they take room."""
        return self.tally.chars >= 0.0005 * self.facts.chars
