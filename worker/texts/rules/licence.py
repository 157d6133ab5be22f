"""Licences and other boilerplate that archives put before and behind a book."""

import re
from collections.abc import Iterable, Iterator

from worker.texts.facts import Facts
from worker.texts.findings import Place
from worker.texts.rules.rule import Rule
from worker.texts.windows import Window

#: Characters at each end that are searched, and of these, those whose paragraphs are judged one by one.
_END_CHARS, _PARAGRAPHS_CHARS = 80_000, 8_000
#: A paragraph longer than this is removed by no word of it; a text of which less than this would be left isn't cut.
_LONG_PARAGRAPH, _MIN_LEFT = 2_000, 500


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


#: What ends the boilerplate before a text: Project Gutenberg (two ages), Google Books.
_HEAD = _any(
    r"\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG [^*]{0,300}\*{3}",
    r"\*END\*? ?THE SMALL PRINT[^\n]*(?:\n[^\n]*\*END\*[^\n]*)?",
    r"This is a digital copy of a book that was preserved for generations[\s\S]{0,12000}?at http://books\.google\.com/[^\n]*",
)
#: What begins the boilerplate behind a text: Project Gutenberg, Standard Ebooks, Wikisource, Ebooks libres et gratuits,
#: Feedbooks, Aozora Bunko.
_TAIL = _any(
    r"\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG",
    r"^[ *]*END OF (?:(?:THE|THIS) )?PROJECT GUTENBERG",
    r"^\*{3,5} ?This file should be named",
    r"^[ *]*START: FULL LICENSE",
    r"^Colophon\s[\s\S]{0,400}Standard Ebooks",
    r"^Uncopyright\s",
    r"^About this digital edition\s",
    r"^À propos de cette édition électronique",
    r"^底本：",
)  # fmt: skip
_TAIL = re.compile(_TAIL.pattern, re.IGNORECASE | re.MULTILINE)
#: What a paragraph of boilerplate says.
_LEGAL = _any(
    r"^\W*copyright\b",
    r"\bcopyright,? (?:©|\(c\)|[^\n]{0,40}\d{4})",
    r"(?:©|\(c\)) ?\d{4}",
    r"\ball rights reserved\b",
    r"\balle rechte vorbehalten\b",
    r"\btous droits réservés\b",
    r"\btodos los derechos reservados\b",
    r"\bISBN[- ]?(?:1[03])?:? ?\d",
    r"\bproject gutenberg\b",
    r"\bdistributed proofread",
    r"^\W*transcriber'?[’]?s'? notes?\b",
    r"\bcreative commons\b",
    r"\binternet archive\b",
    r"\bfeedbooks\b",
    r"\bstandard ebooks\b",
    r"\bwikisource\b",
    r"\bliber liber\b",
    r"\bthis e-?(?:book|text) (?:is|was)\b",
    r"^\W*(?:e-?text|scanned|digiti[sz]ed|transcribed|proofread) by\b",
    r"^\W*produced by [^\n]+",
)
_BLANK = re.compile(r"\n[ \t]*\n\s*")


class Licence(Rule):
    """What archives add at the ends; a licence in the middle of a text stays."""

    id = "licence"
    title = "Licence and boilerplate at the ends"
    detail = "What an archive or a publisher put before and behind the text: licences, credits, copyright notices."
    advice = "Removes it; the text between stays as it is."

    def __init__(self) -> None:
        self._head = self._tail = ""
        self._chars = 0

    def survey(self, window: Window) -> None:
        """Keep both ends."""
        if len(self._head) < _END_CHARS:
            self._head = (self._head + window.own)[:_END_CHARS]
        self._tail = (self._tail + window.own)[-_END_CHARS:]
        self._chars += len(window.own)

    def conclude(self, facts: Facts) -> bool:
        """Find where the text begins and ends."""
        begin = max((match.end() for match in _HEAD.finditer(self._head)), default=0)
        offset = self._chars - len(self._tail)
        tail = min((m.start() for m in _TAIL.finditer(self._tail, max(0, begin - offset))), default=len(self._tail))
        end = offset + tail
        spans = [(0, begin)] * (begin > 0)
        inner = self._head[begin : min(begin + _PARAGRAPHS_CHARS, end)]
        spans += [(begin + a, begin + b) for a, b in _legal(inner)]
        start = max(begin + len(inner), end - _PARAGRAPHS_CHARS, offset)
        spans += [(start + a, start + b) for a, b in _legal(self._tail[start - offset : tail])]
        spans += [(end, self._chars)] * (end < self._chars)
        self._spans = [span for span in _joined(spans, self._head) if span[0] < span[1]]
        left = self._chars - sum(end - begin for begin, end in self._spans)
        return super().conclude(facts) and bool(self._spans) and left >= _MIN_LEFT

    def places(self, window: Window) -> Iterator[Place]:
        """Yield what is boilerplate."""
        for begin, end in self._spans:
            if window.start <= begin < window.start + len(window.own):
                yield Place(begin, end, "")


def _legal(text: str) -> Iterable[tuple[int, int]]:
    """Yield the paragraphs that are boilerplate, each with the blank lines behind it."""
    begin = 0
    bounds = [match.span() for match in _BLANK.finditer(text)] + [(len(text), len(text))]
    for end, following in bounds:
        if begin < end and end - begin <= _LONG_PARAGRAPH and _LEGAL.search(text[begin:end]):
            yield begin, following
        begin = following


def _joined(spans: list[tuple[int, int]], head: str) -> list[tuple[int, int]]:
    """Join neighbours; a cut at the beginning takes the blank lines behind it."""
    found: list[tuple[int, int]] = []
    for begin, end in spans:
        if found and found[-1][1] >= begin:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    if found and found[0][0] == 0:
        end = found[0][1]
        while end < len(head) and head[end] == "\n":
            end += 1
        found[0] = (0, end)
        if len(found) > 1 and found[1][0] <= end:
            found[:2] = [(0, max(end, found[1][1]))]
    return found
