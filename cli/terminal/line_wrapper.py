"""Text that comes bit by bit, broken into lines between words, as wide as a terminal."""

import re

from rich.cells import cell_len

_PARTS = re.compile(r"\n|[^\S\n]+|\S+")


class LineWrapper:
    """Breaks lines; a word is held back until it is whole, since only then it is known where it goes."""

    def __init__(self, width: int) -> None:
        self._width = max(1, width)
        self._column = 0
        self._word = ""
        #: Space before that word; it goes where a line is broken.
        self._space = ""

    def add(self, text: str) -> str:
        """Take some text in, and return what can be printed of what has come so far."""
        told = []
        for part in _PARTS.findall(text):
            if not part.isspace():
                self._word += part
            elif part == "\n":
                told += [self.rest(), "\n"]
                self._column, self._space = 0, ""
            else:
                told.append(self.rest())
                self._space += part
        return "".join(told)

    def rest(self) -> str:
        """Return the word that is held back, with what stands before it."""
        if not self._word:
            return ""
        word, space = self._word, self._space
        self._word = self._space = ""
        wide = cell_len(word)
        if self._column and self._column + cell_len(space) + wide > self._width:
            self._column = wide
            return f"\n{word}"
        self._column += cell_len(space) + wide
        return space + word
