"""A text in windows: pieces that end with a paragraph where they can, with some characters around them to look at."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

#: Most characters of a window, without its margins.
WINDOW_CHARS = 1 << 18
#: Characters before and after a window that its rules see too: more than any pattern that isn't a whole line needs.
MARGIN_CHARS = 1024


@dataclass(frozen=True, eq=False)
class Window:
    """A piece of a text."""

    #: The piece with its margins.
    text: str
    #: The piece itself is `text[begin:end]`.
    begin: int
    end: int
    #: Characters of the whole text before `text`.
    offset: int

    @cached_property
    def own(self) -> str:
        """The piece without its margins."""
        return self.text[self.begin : self.end]

    @property
    def start(self) -> int:
        """Characters of the whole text before the piece."""
        return self.offset + self.begin

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the piece; the last one is empty where the piece ends with a line."""
        return self.own.split("\n")

    @cached_property
    def codes(self) -> NDArray[np.uint8] | NDArray[np.uint32]:
        """The code points of the piece."""
        if self.own.isascii():
            return np.frombuffer(self.own.encode("ascii"), np.uint8)
        return np.frombuffer(self.own.encode("utf-32-le"), np.uint32)

    def paragraphs(self) -> Iterator[tuple[int, str]]:
        """Yield what is between blank lines, without line ends around it, with its offset in the whole text."""
        place = self.start
        for part in self.own.split("\n\n"):
            bare = part.lstrip("\n")
            if bare:
                yield place + len(part) - len(bare), bare.rstrip("\n")
            place += len(part) + 2


def windows(parts: Iterable[str]) -> Iterator[Window]:
    """Yield the windows of a text that comes in parts, cut anywhere."""
    text, begin, offset = "", 0, 0
    for part in parts:
        text += part
        while len(text) - begin >= WINDOW_CHARS + MARGIN_CHARS:
            end = _cut(text, begin)
            yield Window(text[: end + MARGIN_CHARS], begin, end, offset)
            dropped = max(0, end - MARGIN_CHARS)
            text, begin, offset = text[dropped:], end - dropped, offset + dropped
    while begin < len(text):
        end = len(text) if len(text) - begin <= WINDOW_CHARS else _cut(text, begin)
        yield Window(text, begin, end, offset)
        begin = end


def _cut(text: str, begin: int) -> int:
    """Return where a window that begins there ends: behind a paragraph, else a line, else anywhere."""
    most = begin + WINDOW_CHARS
    for mark in ("\n\n", "\n"):
        if (found := text.rfind(mark, begin + WINDOW_CHARS // 2, most)) >= 0:
            return found + len(mark)
    return most
