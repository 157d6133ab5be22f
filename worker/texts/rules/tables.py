"""Tables, tables of contents and indexes."""

import re
from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from worker.texts.findings import Place
from worker.texts.rules.rule import Rule
from worker.texts.windows import Window

#: Longest line of a table, characters.
_LONGEST = 300


class _Blocks(Rule):
    """Blocks of lines of one kind; blank lines between them belong to the block."""

    #: Lines that make a block.
    least: ClassVar[int]

    @abstractmethod
    def is_row(self, line: str) -> bool:
        """Return True if a line, of at most `_LONGEST` characters, is of this kind."""

    def places(self, window: Window) -> Iterator[Place]:
        """Yield the blocks."""
        start, begin, end, count = window.start, 0, 0, 0
        for line in [*window.lines, "\0"]:
            if line and len(line) <= _LONGEST and self.is_row(line):
                begin = begin if count else start
                count, end = count + 1, start + len(line) + 1
            elif count and line and not line.isspace():
                if count >= self.least:
                    yield Place(begin, min(end, window.start + len(window.own)), "")
                count = 0
            start += len(line) + 1


class Tables(_Blocks):
    """Three and more lines with columns."""

    id = "tables"
    title = "Tables"
    detail = "Lines that consist of columns, separated by blanks, tabs or bars."
    advice = "Removes them. A model can learn a table's shape; apply this if it shouldn't write any."
    least = 3
    _RULE = re.compile(r"\s*[|+][-=+|]{2,}\s*$")
    _COLUMNS = re.compile(r"\S(?: {3,}|\t+| *\| *)\S(?:.*\S)?(?: {3,}|\t+| *\| *)\S")

    def places(self, window: Window) -> Iterator[Place]:
        """Yield the blocks."""
        if "   " in window.own or "\t" in window.own or "|" in window.own:
            yield from super().places(window)

    def is_row(self, line: str) -> bool:
        """Return True if a line has three columns, or is a rule between rows that have bars."""
        if self._RULE.match(line):
            return True
        return ("   " in line or "\t" in line or "|" in line) and bool(self._COLUMNS.search(line))

    def advised(self) -> bool:
        """Leave it to the reader: a table may be what the text is about."""
        return False


class Indexes(_Blocks):
    """Four and more entries of a table of contents or an index."""

    id = "indexes"
    title = "Contents and indexes"
    detail = "Entries that end with page numbers: a table of contents or an index."
    advice = "Removes them: their page numbers say nothing in a text without pages."
    least = 4
    #: Of an entry's last characters: they decide, and a pattern over the line would take the square of its length.
    _TAIL_CHARS = 40
    _TAIL = re.compile(
        r"(?:(?:\. ?){4,}|…{2,}|[ \t]{3,}) ?(?:\d{1,4}|[ivxlc]+)$"
        r"|[^\W\d_].*, \d{1,4}(?:[,–-] ?\d{1,4})*(?: ?ff?\.)?\.?$"
    )

    def is_row(self, line: str) -> bool:
        """Return True if a line ends with page numbers."""
        tail = line[-self._TAIL_CHARS :].rstrip()
        last = tail[-1:]
        roman = last in "ivxlc" and ("  " in tail or ".." in tail)
        if not (last.isdigit() or roman or (last in "f." and ", " in tail)):
            return False
        return bool(self._TAIL.search(tail))
