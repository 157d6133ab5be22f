"""Words that were divided at line ends."""

import re
from collections.abc import Iterator

from worker.texts.facts import Facts
from worker.texts.findings import Place
from worker.texts.rules.rule import Rule, matches
from worker.texts.windows import Window

#: Share of the line ends above which hyphens come from a printer; below it they belong to words such as sing-song.
_DIVIDED = 0.01
#: Hyphenated words within lines that are remembered.
_MAX_WORDS = 100_000


class Hyphens(Rule):
    """A hyphen, a line end, and the rest of the word in lower case."""

    id = "hyphens"
    title = "Words divided at line ends"
    detail = "Words with a hyphen at the end of a line and the rest on the next one."
    advice = (
        "Joins each word. The hyphen is removed, unless the text has the word with it within a line, or hardly divides "
        "words at all."
    )
    #: The look-behind comes after what it is quick to search for.
    _DIVISION = re.compile("\n(?<=[^\\W\\d_]{2}[-\u00ad\u2010]\n)[ \t]*([^\\W\\d_]{2,}[^\\s]*)([ \n]?)")
    _WITHIN = re.compile(r"-(?<=[^\W\d_]-)(?=[^\W\d_])")
    _WORD_BEFORE, _WORD = re.compile(r"[^\W\d_]+$"), re.compile(r"[^\W\d_]+")

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._count = 0

    def survey(self, window: Window) -> None:
        """Count the divisions, and remember words that have a hyphen within a line."""
        text = window.text
        self._count += sum(match[1][0].islower() for match in matches(self._DIVISION, window))
        for match in matches(self._WITHIN, window):
            if len(self._words) >= _MAX_WORDS:
                break
            before = self._WORD_BEFORE.search(text[max(0, match.start() - 30) : match.start()])
            after = self._WORD.match(text, match.end())
            if before and after:
                self._words.add(f"{before[0]}-{after[0]}".lower())

    def conclude(self, facts: Facts) -> bool:
        """Decide whose hyphens they are."""
        self._divides = self._count >= max(3, _DIVIDED * facts.lines)
        return super().conclude(facts) and self._count > 0

    def places(self, window: Window) -> Iterator[Place]:
        """Yield hyphen, line end and the rest of the word."""
        text = window.text
        for match in matches(self._DIVISION, window):
            if not match[1][0].islower():
                continue
            begin = match.start() - 1
            before = self._WORD_BEFORE.search(text[max(0, begin - 30) : begin])
            after = self._WORD.match(match[1])
            compound = f"{before[0]}-{after[0]}".lower() if before and after else ""
            hyphen = "" if text[begin] == "\u00ad" or (self._divides and compound not in self._words) else "-"
            line_end = "\n" if match[2] else ""
            yield Place(window.offset + begin, window.offset + match.end(), f"{hyphen}{match[1]}{line_end}")

    def cost(self) -> str:
        """Name the number of words."""
        return f"{self.tally.count:,} words that the model would learn in halves"
