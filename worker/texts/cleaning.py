"""Applies remedies to a text, one after another, and writes the result to a new file."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from shared.text.text_stream import read
from worker.texts.doctor import RULES, surveyed
from worker.texts.findings import Example, Tally
from worker.texts.rules.rule import Rule
from worker.texts.windows import Window, windows

#: How often a remedy is applied at most, until it finds nothing more: a change may make another one possible.
MAX_ROUNDS = 4


@dataclass(frozen=True, kw_only=True)
class AppliedRemedy:
    """What one remedy did."""

    remedy: str
    #: Places that it changed, characters that it took away there, and that it put there.
    changes: int
    removed: int
    added: int
    #: Some of the changes; their offsets are those of the text as this remedy met it.
    examples: list[Example]


def clean(
    source: Path, target: Path, remedies: Collection[str], *, note: Callable[[], None] = lambda: None
) -> list[AppliedRemedy]:
    """Write the fixed text to `target`, unless nothing is to be changed; return what was done.

    Args:
        source: a stored text, UTF-8.
        target: where the new one is written; files next to it with its name and a number are used meanwhile.
        remedies: ids of rules that have one, in any order.
        note: called for each window that is read.
    """
    done: list[AppliedRemedy] = []
    current, steps = source, 0
    for kind in RULES:
        if kind.id not in remedies or not kind.has_remedy:
            continue
        tally, removed, added = Tally(), 0, 0
        for _ in range(MAX_ROUNDS):
            found = surveyed([kind()], partial(_noting, current, note))
            if not found:
                break
            steps += 1
            following = target.with_name(f"{target.name}.{steps}")
            change = _Change(tally)
            with following.open("w", encoding="utf-8", newline="") as file:
                for part in change.applied(found[0], current, note):
                    file.write(part)
            removed, added = removed + change.removed, added + change.added
            if not change.removed and not change.added:
                following.unlink()
                break
            if current != source:
                current.unlink()
            current = following
        if tally.count:
            count, examples = tally.count, tally.examples
            done.append(AppliedRemedy(remedy=kind.id, changes=count, removed=removed, added=added, examples=examples))
    if current != source:
        current.rename(target)
    return done


def _noting(path: Path, note: Callable[[], None]) -> Iterator[str]:
    for part in read(path):
        note()
        yield part


class _Change:
    """One rule applied to a whole text."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.removed = self.added = 0

    def applied(self, rule: Rule, path: Path, note: Callable[[], None]) -> Iterator[str]:
        """Yield the changed text in parts."""
        position = 0  # of the whole text: what is before it is written, or dropped
        for window in windows(_noting(path, note)):
            for place in rule.places(window):
                if place.new is None or place.start < position:
                    continue  # stays, or overlaps a change
                yield _between(window, position, place.start)
                self._tally.add((place,), window)
                self.removed += place.end - place.start
                self.added += len(place.new)
                yield place.new
                position = place.end
            end = window.start + len(window.own)
            if position < end:
                yield _between(window, position, end)
                position = end


def _between(window: Window, begin: int, end: int) -> str:
    return window.text[begin - window.offset : end - window.offset]
