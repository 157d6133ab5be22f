"""What a rule is: something odd that it finds in a text, and how it is fixed."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar

from worker.texts.facts import Facts
from worker.texts.findings import Finding, Place, Tally, percent
from worker.texts.windows import Window


class Rule(ABC):
    """Reads a text twice, in windows: once to learn about it, once to yield the places.

    A remedy is the rule itself: its places say what to put there. So a finding counts what its remedy changes, and a
    fixed text has no such finding.
    """

    #: The word for programs, of the finding and of its remedy.
    id: ClassVar[str]
    title: ClassVar[str]
    #: What is odd, in a sentence.
    detail: ClassVar[str]
    #: What the remedy does, or why there is none.
    advice: ClassVar[str]
    #: Whether there is a remedy.
    has_remedy: ClassVar[bool] = True

    facts: Facts
    #: What the second reading found.
    tally: Tally

    def survey(self, window: Window) -> None:  # noqa: B027  (a rule may have nothing to learn)
        """Learn from a window of the first reading."""

    def conclude(self, facts: Facts) -> bool:
        """Draw conclusions between the readings; return False if there is nothing to find."""
        self.facts = facts
        return True

    @abstractmethod
    def places(self, window: Window) -> Iterable[Place]:
        """Yield the places that start in a window of the second reading, in order."""

    def finding(self, tally: Tally) -> Finding | None:
        """Return what the places add up to, or None."""
        if not tally.count:
            return None
        self.tally = tally
        fixes = self.has_remedy and tally.changes > 0
        return Finding(
            id=self.id,
            title=self.title,
            detail=self.detail,
            count=tally.count,
            chars=tally.chars,
            share=round(tally.chars / max(1, self.facts.chars), 6),
            cost=self.cost(),
            remedy=self.id if fixes else None,
            advice=self.advice,
            advised=fixes and self.advised(),
            examples=tally.examples,
        )

    def cost(self) -> str:
        """Describe what it costs to leave it."""
        return f"{percent(self.tally.chars / max(1, self.facts.chars))} of the characters"

    def advised(self) -> bool:
        """Return True if the remedy helps in general."""
        return self.tally.count > 0


def matches(pattern: re.Pattern[str], window: Window) -> Iterator[re.Match[str]]:
    """Yield the matches that start in a window; they may end behind it."""
    for match in pattern.finditer(window.text):
        if match.start() >= window.end:
            return
        if match.start() >= window.begin:
            yield match


def char_class(characters: Iterable[str]) -> str:
    """Return a regular expression for one of some characters, with ranges for consecutive ones."""
    codes = sorted(map(ord, characters))
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in ranges) + "]"
