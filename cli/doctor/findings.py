"""What a look at a set-up finds: one line each, with what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a thing stands; `note` is neither good nor bad."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    level: Level
    #: How it is.
    said: str
    #: What to do about it; "" where nothing is to be done.
    todo: str = ""


def ok(what: str, said: str) -> Finding:
    """Make a finding that all is well."""
    return Finding(what=what, level=Level.OK, said=said)


def note(what: str, said: str) -> Finding:
    """Make a finding that is only to be known."""
    return Finding(what=what, level=Level.NOTE, said=said)


def warn(what: str, said: str, todo: str) -> Finding:
    """Make a finding that will do, but could be better."""
    return Finding(what=what, level=Level.WARN, said=said, todo=todo)


def bad(what: str, said: str, todo: str) -> Finding:
    """Make a finding that keeps jobs from being done."""
    return Finding(what=what, level=Level.BAD, said=said, todo=todo)
