"""Sections in another script than the rest."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from worker.texts.facts import Facts
from worker.texts.findings import Place, percent
from worker.texts.rules.rule import Rule, char_class
from worker.texts.windows import Window

#: Letters of other scripts from which a paragraph counts.
_MIN_CHARS = 40
#: Scripts of one language, as the first words of their characters' names.
_TOGETHER = dict.fromkeys(("HIRAGANA", "KATAKANA", "BOPOMOFO", "HALFWIDTH", "FULLWIDTH", "HANGUL"), "CJK")


class Scripts(Rule):
    """Paragraphs most of whose letters are of another script than most of the text's."""

    id = "scripts"
    title = "Sections in another script"
    detail = "Paragraphs that are written in another script than most of the text."
    advice = "Removes these paragraphs; apply this if the model should write only one language."

    def conclude(self, facts: Facts) -> bool:
        """Find the main script, and the letters of the others."""
        scripts: Counter[str] = Counter()
        for character, count in facts.counts.items():
            scripts[_script(character)] += count
        del scripts[""]
        self._main = next((name for name, _ in scripts.most_common(1)), "")
        others = [c for c in facts.counts if _script(c) not in {"", self._main}]
        if others:
            self._others = re.compile(char_class(others))
        self._names = ", ".join(name.capitalize() for name, _ in scripts.most_common(4)[1:])
        return super().conclude(facts) and scripts.total() - scripts[self._main] >= _MIN_CHARS

    def places(self, window: Window) -> Iterator[Place]:
        """Yield the paragraphs, with the blank lines behind them."""
        if window.own.isascii() and self._main == "LATIN":
            return
        for start, paragraph in window.paragraphs():
            others = len(self._others.findall(paragraph))
            if others >= _MIN_CHARS and 2 * others > sum(map(str.isalpha, paragraph)):
                end = start - window.offset + len(paragraph)
                blank = len(window.text[end : end + 100]) - len(window.text[end : end + 100].lstrip("\n"))
                yield Place(start, start + len(paragraph) + blank, "")

    def cost(self) -> str:
        """Name the scripts and their share."""
        return f"{percent(self.tally.chars / self.facts.chars)} of the characters ({self._names})"

    def advised(self) -> bool:
        """Leave it to the reader: quotations may belong to the text."""
        return False


@lru_cache(maxsize=1 << 16)
def _script(character: str) -> str:
    """Return the script of a letter, by the first word of its name; "" for other characters."""
    if not character.isalpha():
        return ""
    name = unicodedata.name(character, "").partition(" ")[0].partition("-")[0]
    return _TOGETHER.get(name, name)
