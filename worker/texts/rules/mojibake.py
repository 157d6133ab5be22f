"""Letters that were decoded in the wrong encoding, such as Ã© for é."""

import re
from collections.abc import Iterator

import ftfy
from ftfy.badness import is_bad

from worker.texts.facts import Facts
from worker.texts.findings import Place
from worker.texts.rules.rule import Rule, char_class
from worker.texts.windows import Window

#: Encodings in which UTF-8 is commonly misread; those that ftfy undoes.
_MISREAD_AS = ("latin-1", "cp1252", "cp1251", "cp1250", "cp1253", "cp1254", "cp1257", "iso8859-2", "mac_roman", "cp437")
#: Characters around a suspicious pair by which ftfy judges it.
_AROUND = 12
_CONFIG = ftfy.TextFixerConfig(replace_lossy_sequences=False, explain=False)


def _characters(first: int, last: int) -> set[str]:
    """Return the characters beyond ASCII that some bytes become when they are misread."""
    found = "".join(bytes(range(first, last + 1)).decode(name, "ignore") for name in _MISREAD_AS)
    return {character for character in found if not character.isascii()}


#: The first two bytes of a character in UTF-8, misread, or a byte that is no letter in Latin-1: a regular expression
#: that is a hundred times as fast as ftfy's and lets nothing pass that ftfy would fix.
_SUSPICIOUS = re.compile(f"{char_class(_characters(0xC2, 0xF4))}{char_class(_characters(0x80, 0xBF))}|[\x80-\x9f]")


class Mojibake(Rule):
    """Lines that `ftfy` finds to be mojibake, and fixes."""

    id = "mojibake"
    title = "Letters in the wrong encoding"
    detail = "Text that was saved in one encoding and read in another, such as Ã© for é or â€™ for an apostrophe."
    advice = "Decodes it again; lines that look right stay as they are."

    def conclude(self, facts: Facts) -> bool:
        """Find nothing in a text without such characters."""
        return super().conclude(facts) and any(character >= "\x80" for character in facts.counts)

    def places(self, window: Window) -> Iterator[Place]:
        """Yield what changes of each line that is fixed."""
        if window.own.isascii():
            return
        start = window.start
        for line in window.lines:
            if not line.isascii() and (fixed := _fixed(line)) != line:
                same, length = 0, min(len(line), len(fixed))
                while same < length and line[same] == fixed[same]:
                    same += 1
                tail = 0
                while tail < length - same and line[-1 - tail] == fixed[-1 - tail]:
                    tail += 1
                yield Place(start + same, start + len(line) - tail, fixed[same : len(fixed) - tail])
            start += len(line) + 1

    def cost(self) -> str:
        """Name the number of lines."""
        return f"{self.tally.count:,} lines with letters that the model would learn to misspell"


def _fixed(line: str) -> str:
    for match in _SUSPICIOUS.finditer(line):
        if is_bad(line[max(0, match.start() - _AROUND) : match.end() + _AROUND]):
            return ftfy.fix_encoding(line, _CONFIG)
    return line
