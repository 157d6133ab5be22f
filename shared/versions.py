"""The versions of what is stored and sent: records, messages, manifests and training states.

A field that older readers can do without is added without a new version: they ignore it, and keep it when they change
the rest. A version is raised if older readers would be wrong; the new reader takes records of all earlier versions. The
reasons, and what a change requires: docs/adr/0033-versions-of-records.md.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from shared.errors import NewerVersion

_REMEDY = "Upgrade it to the version of Charloom that wrote this."


def charloom_version() -> str:
    """Return the installed version; "" in a checkout that isn't installed."""
    try:
        return version("charloom")
    except PackageNotFoundError:
        return ""


@dataclass(frozen=True, kw_only=True)
class Version:
    """The version of one kind of record, and how to recognize a newer one."""

    #: The version that is written; it and all earlier ones can be read. A record without one has version 1.
    newest: int
    #: Fields whose values are words, with the known values.
    known: Mapping[str, Collection[str]] = field(default_factory=dict)

    def stamp(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the record with its version."""
        return {"version": self.newest, **record}

    def check(self, record: Any, name: str) -> None:
        """Raise NewerVersion if the record, called by this name, was written by a version that this one can't read."""
        if not isinstance(record, Mapping):
            return
        found = str(record.get("version", "1"))
        if found.isdigit() and int(found) > self.newest:
            raise NewerVersion(f"{name} has version {found}; this process knows {self.newest} at most. {_REMEDY}")
        for word, values in self.known.items():
            if isinstance(value := record.get(word), str) and value not in values:
                raise NewerVersion(f"{name} has the {word} {value[:50]!r}, unknown to this process. {_REMEDY}")
