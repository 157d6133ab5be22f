"""Wraps a text that arrives in pieces at the width of a terminal."""

import re

from rich.cells import cell_len

_PARTS = re.compile(r"\n|[^\S\n]+|\S+")


class LineWrapper:
    """Breaks lines between words. The last word is held back until it is complete: only then its line is known."""

    def __init__(self, width: int) -> None:
        self._width = max(1, width)
        self._column = 0
        self._word = ""
        #: White space before that word; dropped where the line breaks.
        self._space = ""

    def add(self, text: str) -> str:
        """Take the next piece of the text; return what can be printed now."""
        output = []
        for part in _PARTS.findall(text):
            if not part.isspace():
                self._word += part
            elif part == "\n":
                output += [self.flush(), "\n"]
                self._column, self._space = 0, ""
            else:
                output.append(self.flush())
                self._space += part
        return "".join(output)

    def flush(self) -> str:
        """Return the word that is held back, with the space or line break before it."""
        if not self._word:
            return ""
        word, space = self._word, self._space
        self._word = self._space = ""
        width = cell_len(word)
        if self._column and self._column + cell_len(space) + width > self._width:
            self._column = width
            return f"\n{word}"
        self._column += cell_len(space) + width
        return space + word
