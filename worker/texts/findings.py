"""The common shape of what the rules find: places in a text, and the finding that they add up to."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from worker.texts.windows import Window

#: Examples of a finding, and characters of an example and on each side of it.
EXAMPLES, EXAMPLE_CHARS, CONTEXT_CHARS = 3, 160, 40


class Place(NamedTuple):
    """Characters that are odd, and what fixes them; offsets are characters of the whole text."""

    start: int
    end: int
    #: What belongs there; None: they stay.
    new: str | None = None


@dataclass(frozen=True, kw_only=True)
class Example:
    """A place with what surrounds it. Long texts are cut."""

    offset: int
    length: int
    before: str
    text: str
    after: str
    #: What the remedy puts there; None: nothing is changed.
    becomes: str | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something odd in a text."""

    #: The rule's word.
    id: str
    title: str
    #: What is odd, in a sentence.
    detail: str
    #: How many places.
    count: int
    #: Characters of these places, and their share of the text.
    chars: int
    share: float
    #: What it costs to leave it, in words and figures.
    cost: str
    #: The remedy's word; None: there is none, none is needed, or it would change nothing.
    remedy: str | None
    #: What the remedy does, or why there is none.
    advice: str
    #: Whether the remedy is part of "advised".
    advised: bool
    examples: list[Example] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return asdict(self)


@dataclass(kw_only=True)
class Tally:
    """How many places a rule finds, and the first ones that differ."""

    count: int = 0
    chars: int = 0
    #: Places that the remedy changes.
    changes: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(self, places: Iterable[Place], window: Window) -> None:
        """Count the places of a window."""
        for place in places:
            self.count += 1
            self.chars += place.end - place.start
            self.changes += place.new is not None
            if len(self.examples) < EXAMPLES:
                self._keep(place, window)

    def _keep(self, place: Place, window: Window) -> None:
        begin, end = place.start - window.offset, place.end - window.offset
        text = window.text[begin:end][:EXAMPLE_CHARS]
        if any(example.text == text for example in self.examples):
            return
        self.examples.append(
            Example(
                offset=place.start,
                length=place.end - place.start,
                before=window.text[max(0, begin - CONTEXT_CHARS) : begin],
                text=text,
                after=window.text[end : end + CONTEXT_CHARS],
                becomes=None if place.new is None else place.new[:EXAMPLE_CHARS],
            )
        )


def percent(share: float) -> str:
    """Write a share as people read it."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"


def plural(count: int, what: str) -> str:
    """Write a number of things."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
