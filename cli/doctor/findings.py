"""A finding of `charloom doctor`: what was checked, how it is, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a finding is; `note` is neither good nor bad."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one check."""

    #: What was checked: "disk".
    subject: str
    level: Level
    #: The state it is in.
    message: str
    #: What to do about it; "" if nothing.
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as `--json` prints it."""
        return {
            "object": "finding",
            "what": self.subject,
            "level": self.level,
            "said": self.message,
            "todo": self.fix,
        }


def ok(subject: str, message: str) -> Finding:
    """Report that all is well."""
    return Finding(subject=subject, level=Level.OK, message=message)


def note(subject: str, message: str) -> Finding:
    """Report a fact that is neither good nor bad."""
    return Finding(subject=subject, level=Level.NOTE, message=message)


def warn(subject: str, message: str, fix: str) -> Finding:
    """Report what works but could be better."""
    return Finding(subject=subject, level=Level.WARN, message=message, fix=fix)


def bad(subject: str, message: str, fix: str) -> Finding:
    """Report what keeps jobs from running."""
    return Finding(subject=subject, level=Level.BAD, message=message, fix=fix)
