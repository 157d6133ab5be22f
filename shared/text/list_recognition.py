r"""Whether a text is a list, judged by its lines: in doubt it isn't one.

A list is one of these, with at least `MIN_ITEMS` items, at least `MIN_UNIQUE` of them different:

- items between lines of a single "%", as the quotations of `fortune` are;
- blocks between blank lines that nearly all begin with the same two characters, as tunes in ABC notation do ("X:");
- lines without blank ones between them, not indented, of at most `MAX_LINE` characters, few of which begin like quoted
  speech or end within a sentence, that aren't wrapped at a common width, and that have a few words each, or up to
  `MAX_WORDS` and a length that varies.

Prose has blank lines or indents between its paragraphs, or lines of a common width, or long ones; verse and the verses
of scripture end with commas and colons; a play and source code have blank lines and indents.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from shared.text.items import Items, tally

#: Fewest items of a list, and fewest different ones.
MIN_ITEMS, MIN_UNIQUE = 30, 10
#: Share of lines that may be an exception to a rule, and share of blocks that have to begin alike.
EXCEPTIONS, ALIKE = 0.02, 0.95
#: Longest line of a list, characters, and most words of a line and lines of a quotation on average.
MAX_LINE, MAX_WORDS, MAX_LINES = 1000, 30, 100
#: Lines with more words than this on average are sentences rather than names: they have to look like whole ones.
FEW_WORDS = 5
#: Words that a sentence of a language without spaces counts as.
SENTENCE = 15
#: Share of lines that may end within a sentence, or begin like speech.
UNFINISHED, SPEECH = 0.1, 0.1
#: Wrapped lines: more than this share of them are nearly as long as the longest, `WIDE` characters at least.
WRAPPED, NEARLY, WIDE = 0.5, 0.8, 30
#: Parts that are judged whole, and lines that are judged of each later one.
_WHOLE_PARTS, _LINES = 16, 100
_QUOTES = ('"', "“", "„", "«", "‘", "'", "—", "–", "「", "『")
_FULL_STOPS = "。！？"
_GOES_ON = (",", ";", ":", "-", "—", "–", "(", "{", "[", "\\", "、", "，", "；", "：")


@dataclass
class _Lines:
    """What is counted of a text's lines."""

    blank: int = 0
    percent: int = 0
    indented: int = 0
    unfinished: int = 0
    speech: int = 0
    lowercase: int = 0
    words: int = 0
    lengths: list[int] = field(default_factory=list)
    #: The first two characters of lines after a blank one.
    heads: Counter[str] = field(default_factory=Counter)

    def add(self, line: str, before: str) -> None:
        text = line.strip()
        if not text:
            self.blank += 1
            return
        if text == "%":
            self.percent += 1
        if not before.strip():
            self.heads[line[:2]] += 1
        self.indented += line[0].isspace()
        self.unfinished += text.endswith(_GOES_ON)
        self.speech += text.startswith(_QUOTES)
        self.lowercase += text[0].islower()
        self.words += len(text.split()) + SENTENCE * sum(map(text.count, _FULL_STOPS))
        self.lengths.append(len(line))

    def separator(self) -> str | None:
        """Return what separates the items, or None if this is no list."""
        count = len(self.lengths)
        if count < MIN_ITEMS:
            return None
        if self.percent >= max(MIN_ITEMS, count / MAX_LINES):
            return "\n%\n"
        if self.blank and sum(self.heads.values()) >= MIN_ITEMS:
            alike = self.heads.most_common(1)[0][1] / self.heads.total()
            return "\n\n" if alike >= ALIKE else None
        return "\n" if self._is_one_a_line(count) else None

    def _is_one_a_line(self, count: int) -> bool:
        if max(self.blank, self.indented) > EXCEPTIONS * count or max(self.lengths) > MAX_LINE:
            return False
        if self.unfinished > UNFINISHED * count or self.speech > SPEECH * count or self._is_wrapped(count):
            return False
        words = self.words / count
        return words <= FEW_WORDS or (words <= MAX_WORDS and self.lowercase <= UNFINISHED * count)

    def _is_wrapped(self, count: int) -> bool:
        """Return True if lines end at a common width: many are as long as the longest, or nearly where words end."""
        width = sorted(self.lengths)[int(0.95 * (count - 1))]
        shortest = NEARLY * width if self.words > 2 * count else width
        return width >= WIDE and sum(length >= shortest for length in self.lengths) > WRAPPED * count


def recognized(read: Callable[[], Iterable[str]]) -> Items | None:
    """Return the list that a text is, or None. `read` returns the text in parts, and is called once or twice."""
    lines = _Lines()
    for line, before in _judged(read()):
        lines.add(line, before)
    separator = lines.separator()
    if separator is None:
        return None
    found = tally(read(), separator)
    return found if found.count >= MIN_ITEMS and found.unique >= MIN_UNIQUE else None


def _judged(parts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines to judge a text by, each with the one before it: all of its beginning, some of what follows."""
    for number, part in enumerate(parts):
        lines = part.split("\n")
        if number:
            lines = lines[1:]  # its beginning is in the part before
        if number >= _WHOLE_PARTS:
            lines = lines[:_LINES]
        last = len(lines) - 1
        for place, line in enumerate(lines):
            if place < last or (line and not number):
                yield line, lines[place - 1] if place else ("" if not number else "x")
