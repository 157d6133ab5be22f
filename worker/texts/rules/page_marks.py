"""Page numbers and running heads that were left between the lines of a text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from worker.texts.facts import Facts
from worker.texts.findings import Place
from worker.texts.rules.rule import Rule, matches
from worker.texts.windows import Window

#: Longest running head, characters; most lines of heads and numbers between two pages; different heads remembered.
_LONGEST, _MAX_LINES, _MAX_HEADS = 70, 3, 50_000
#: Pages on which a head has to be, sentences that it has to interrupt, and the least share of its pages.
_PAGES, _INTERRUPTIONS, _INTERRUPTING = 4, 3, 0.2
_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b|\b[IVXLC]{2,}\b")
#: A page number as Project Gutenberg writes it, alone in a line (as a head) and anywhere.
_BRACKETED = r"\[(?:[Pp]g|[Pp]age|p|Seite|S)\.? ?{}\]"
_ALONE = re.compile(_BRACKETED.format("#"))
_ANYWHERE = re.compile(_BRACKETED.format(r"(?:\d{1,4}|[ivxlc]{1,7})"))
_SENTENCE_END = frozenset(".!?:,;\"'”’»")


@dataclass(frozen=True)
class _Block:
    """What is between two lines of text: lines that could be heads, with their offsets."""

    lines: list[tuple[int, str]]
    #: Where the line of text before ends, and where the one behind begins.
    begin: int
    end: int
    #: Whether the sentence continues behind it.
    interrupts: bool


class PageMarks(Rule):
    """Short lines that recur, but for their numbers, and interrupt sentences."""

    id = "page-marks"
    title = "Page numbers and running heads"
    detail = "Lines that belong to the pages of a book, not to its text: they recur and interrupt sentences."
    advice = "Removes them and joins the sentences that they interrupt."

    def __init__(self) -> None:
        #: Head, with its numbers as "#" -> how often it occurs, and interrupts.
        self._heads: dict[str, list[int]] = {}
        self._within = 0

    def survey(self, window: Window) -> None:
        """Count lines that could be heads, and page numbers within lines."""
        self._within += sum(1 for _ in _within(window))
        for block in _blocks(window):
            for _, line in block.lines:
                counts = self._heads.setdefault(_head(line), [0, 0])
                counts[0] += 1
                counts[1] += block.interrupts
        if len(self._heads) > _MAX_HEADS:
            self._heads = {head: counts for head, counts in self._heads.items() if counts[0] > 1}

    def conclude(self, facts: Facts) -> bool:
        """Decide which lines are heads."""
        self._marks = {
            head
            for head, (count, interrupting) in self._heads.items()
            if count >= _PAGES
            and (_ALONE.fullmatch(head) or interrupting >= max(_INTERRUPTIONS, _INTERRUPTING * count))
        }
        return super().conclude(facts) and (bool(self._marks) or self._within >= _PAGES)

    def places(self, window: Window) -> list[Place]:
        """Return the lines, with the blank lines around them if nothing else is between, and numbers within lines."""
        if self._within < _PAGES:
            return list(self._lines(window))
        return sorted([*self._lines(window), *_within(window)])

    def _lines(self, window: Window) -> Iterator[Place]:
        for block in _blocks(window):
            marks = [(start, line) for start, line in block.lines if _head(line) in self._marks]
            if len(marks) == len(block.lines):
                yield Place(block.begin, block.end, "\n" if block.interrupts else "\n\n")
            else:
                for start, line in marks:
                    yield Place(start, start + len(line) + 1, "")

    def cost(self) -> str:
        """Name the number of places."""
        return f"interrupts the text at {self.tally.count:,} places, {super().cost()}"


def _head(line: str) -> str:
    return _NUMBER.sub("#", line.strip())


def _blocks(window: Window) -> Iterator[_Block]:
    """Yield what could be heads and numbers, where it starts in the window."""
    text = window.text
    if text.count("\n") * 15 > len(text):
        return  # no prose has such short lines
    held: list[tuple[int, str]] = []
    start, before, before_end = window.offset, "", window.offset
    stop = window.start + len(window.own)
    for line in text.split("\n"):
        if _could_be_head(line):
            held.append((start, line))
        elif line and not line.isspace():
            if held:
                if len(held) <= _MAX_LINES and before and window.start <= held[0][0] < stop:
                    yield _Block(held, before_end, start, _goes_on(before, line))
                held = []
            if start >= stop:
                return
            before, before_end = line, start + len(line)
        start += len(line) + 1


def _within(window: Window) -> Iterator[Place]:
    """Yield the bracketed page numbers that aren't alone in a line, with the blanks that they leave."""
    text = window.text
    for match in matches(_ANYWHERE, window):
        begin, end = match.span()
        begin -= begin > window.begin and text[begin - 1] == " "
        end += text[end : end + 1] == " "
        starts, ends = text[begin - 1 : begin] in {"", "\n"}, text[end : end + 1] in {"", "\n"}
        if not (starts and ends):
            blank = end - begin > len(match[0]) and not starts and not ends
            yield Place(window.offset + begin, window.offset + end, " " if blank else "")


def _could_be_head(line: str) -> bool:
    if not 0 < len(line) <= _LONGEST or line[-1] in _SENTENCE_END:
        return False
    bare = line.strip()
    return bool(bare) and (not bare[0].islower() or (len(bare) <= 8 and bool(_NUMBER.fullmatch(bare))))


def _goes_on(before: str, after: str) -> bool:
    """Return True if a sentence continues from one line to the other."""
    bare = before.rstrip()
    return (bare[-1:].isalpha() or bare[-1:] in {",", ";", "-"}) and after.lstrip()[:1].islower()
