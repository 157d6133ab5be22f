"""Files in a corpus's folder about what is odd in its text, and about what a cleaned text was made by.

findings.json    the findings; those of an earlier version of the rules count as none
examining.json   the job that examines the text
cleaning.json    of a cleaned text: the remedies, and some of their changes
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from shared.errors import NotFound
from shared.volume.corpora import Corpora
from shared.volume.corpus_record import Cleaning

#: Counts up when the rules find something else in the same text.
RULES = 2


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is odd in a text. A finding has the fields of the API's."""

    #: Of the rules that found it.
    rules: int = 1
    findings: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class _Examining:
    """The job that examines a text."""

    job_id: str


_FINDINGS, _EXAMINING, _CLEANING = TypeAdapter(Findings), TypeAdapter(_Examining), TypeAdapter(Cleaning)


def read(corpora: Corpora, corpus_id: str, *, oldest: int = RULES) -> Findings | None:
    """Return the findings, or None if there are none of these rules or later ones. Raises NotFound."""
    found = corpora.find_fact(corpus_id, "findings.json", _FINDINGS)
    return found if found is not None and found.rules >= oldest else None


def write(corpora: Corpora, corpus_id: str, findings: Sequence[Mapping[str, Any]]) -> None:
    """Keep the findings. Raises NotFound where the corpus is deleted."""
    corpora.keep_fact(corpus_id, "findings.json", asdict(Findings(rules=RULES, findings=findings)))


def examining_job(corpora: Corpora, corpus_id: str) -> str | None:
    """Return the id of the job that examines the text, or None. Raises NotFound."""
    found = corpora.find_fact(corpus_id, "examining.json", _EXAMINING)
    return None if found is None else found.job_id


def note_job(corpora: Corpora, corpus_id: str, job_id: str) -> None:
    """Remember the job that examines the text. Raises NotFound where the corpus is deleted."""
    corpora.keep_fact(corpus_id, "examining.json", asdict(_Examining(job_id=job_id)))


def read_cleaning(corpora: Corpora, corpus_id: str) -> Cleaning:
    """Return how the text was cleaned. Raises NotFound where it wasn't."""
    found = corpora.find_fact(corpus_id, "cleaning.json", _CLEANING)
    if found is None:
        raise NotFound(f"{corpus_id} wasn't made by cleaning another text.")
    return found
