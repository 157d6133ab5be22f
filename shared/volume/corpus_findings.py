"""Files in a corpus's folder about what is odd in its text, and about what a cleaned text was made by.

findings.json    the findings; those of an earlier version of the rules count as none
examining.json   the job that examines the text
cleaning.json    of a cleaned text: the remedies, and some of their changes
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from shared.errors import NotFound
from shared.volume.files import find_record, read_json, write_json

#: Counts up when the rules find something else in the same text.
VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is odd in a text. A finding has the fields of the API's."""

    version: int
    findings: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """How a text was made from another one."""

    parent_id: str
    chars_before: int
    chars_after: int
    #: What each remedy did, with some of its changes.
    remedies: Sequence[Mapping[str, Any]]


_FINDINGS, _CLEANING = TypeAdapter(Findings), TypeAdapter(Cleaning)


def read(folder: Path) -> Findings | None:
    """Return the findings of this version of the rules, or None."""
    found = find_record(folder / "findings.json", _FINDINGS)
    return found if found is not None and found.version == VERSION else None


def write(folder: Path, findings: Sequence[Mapping[str, Any]]) -> None:
    """Keep the findings. Raises NotFound where the corpus is deleted."""
    _write(folder, "findings.json", asdict(Findings(version=VERSION, findings=findings)))


def examining_job(folder: Path) -> str | None:
    """Return the id of the job that examines the text, or None."""
    found = read_json(folder / "examining.json") or {}
    return found.get("job_id")


def note_job(folder: Path, job_id: str) -> None:
    """Remember the job that examines the text. Raises NotFound where the corpus is deleted."""
    _write(folder, "examining.json", {"job_id": job_id})


def read_cleaning(folder: Path) -> Cleaning:
    """Return how the text was cleaned. Raises NotFound where it wasn't."""
    found = find_record(folder / "cleaning.json", _CLEANING)
    if found is None:
        raise NotFound(f"{folder.name} wasn't made by cleaning another text.")
    return found


def write_cleaning(folder: Path, cleaning: Cleaning) -> None:
    """Keep how the text was cleaned."""
    _write(folder, "cleaning.json", asdict(cleaning))


def _write(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    try:
        write_json(folder / name, content)
    except FileNotFoundError as exc:
        raise NotFound(f"{folder.name} has just been deleted.") from exc
