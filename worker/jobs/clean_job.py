"""Run jobs about a text's findings: examine a text and keep what is odd, or clean it into a new corpus."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.errors import CleaningFailed, NotFound
from shared.ids import corpus_id_of
from shared.requests.cleaning import ADVISED
from shared.text.text_stream import read
from shared.volume import Corpora, Corpus, corpus_findings
from shared.volume.corpus_findings import Findings
from shared.volume.corpus_record import Cleaning
from worker.jobs.attempt import Attempt, Outcome, Written
from worker.jobs.child_process import Report
from worker.jobs.corpus_job import NewText, make_corpus, run_limited
from worker.texts.cleaning import clean
from worker.texts.doctor import examine


def run_examine(attempt: Attempt) -> Outcome:
    """Examine a text.

    Raises:
        CleaningFailed, NotFound, StopRequested, LeaseLost, StoreUnavailable, VolumeUnavailable
    """
    corpus = attempt.host.volume.corpora.get(attempt.job.params["corpus_id"])
    found = _findings(attempt, corpus)
    advised = [finding["remedy"] for finding in found.findings if finding["advised"]]
    return Written(result={"corpus_id": corpus.id, "findings": len(found.findings), "advised": advised})


def run_clean(attempt: Attempt) -> Outcome:
    """Clean a text into a new one; if nothing changes, the result is the text itself.

    Raises:
        CleaningFailed, NotFound, StopRequested, LeaseLost, StoreUnavailable, VolumeUnavailable
    """
    job, corpora = attempt.job, attempt.host.volume.corpora
    corpus = corpora.get(job.params["corpus_id"])
    made = corpora.find(corpus_id_of(job.id))
    if made is not None:  # by an attempt that was lost before it could report it
        return Written(result=_result(corpora, corpus, made))
    wanted = job.params["remedies"]
    if wanted == ADVISED:
        wanted = [finding["remedy"] for finding in _findings(attempt, corpus).findings if finding["advised"]]
    source = corpora.text_path(corpus.id)

    def make(folder: Path) -> NewText:
        def work(report: Report) -> dict[str, Any]:
            done = clean(source, folder / "text.txt", wanted, note=_notes(corpus, report, 2 * len(wanted)))
            if done and not any(part.strip() for part in read(folder / "text.txt")):
                raise CleaningFailed("Nothing of the text would be left. Choose fewer remedies.", code="nothing_left")
            return {"remedies": [asdict(one) for one in done]}

        with _existing(corpora, corpus):
            remedies = run_limited(attempt, work, failure=CleaningFailed)["remedies"]
        if not remedies:
            raise _NothingToDo
        before = corpus.chars
        after = before + sum(one["added"] - one["removed"] for one in remedies)
        cleaning = Cleaning(parent_id=corpus.id, chars_before=before, chars_after=after, remedies=remedies)
        text = folder / "text.txt"
        with text.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return NewText(path=text, name=job.params["name"], sha256=sha256, cleaning=cleaning)

    try:
        return Written(result=_result(corpora, corpus, make_corpus(attempt, make)))
    except _NothingToDo:
        return Written(result=_result(corpora, corpus, corpus))


class _NothingToDo(Exception):
    """The remedies change nothing."""


@contextmanager
def _existing(corpora: Corpora, corpus: Corpus) -> Iterator[None]:
    """Turn the failure of reading a text into NotFound if its corpus has been removed meanwhile."""
    try:
        yield
    except Exception as exc:
        if corpora.find(corpus.id) is not None:
            raise
        raise NotFound(f"{corpus.id} has been deleted.") from exc


def _findings(attempt: Attempt, corpus: Corpus) -> Findings:
    """Return a text's findings; they are made and kept if there are none."""
    corpora = attempt.host.volume.corpora
    path = corpora.text_path(corpus.id)
    if (known := corpus_findings.read(corpora, corpus.id)) is not None:
        return known

    def work(report: Report) -> dict[str, Any]:
        note = _notes(corpus, report, 2)

        def parts() -> Any:
            for part in read(path):
                note()
                yield part

        return {"findings": [finding.to_json() for finding in examine(parts)]}

    with _existing(corpora, corpus):
        found = run_limited(attempt, work, failure=CleaningFailed)["findings"]
    corpus_findings.write(corpora, corpus.id, found)
    return Findings(rules=corpus_findings.RULES, findings=found)


def _notes(corpus: Corpus, report: Report, readings: int) -> Callable[[], None]:
    """Return a function to call for each part of the text that is read; it reports each hundredth of some readings."""
    parts = max(1, readings * corpus.chars // (1 << 16))
    count = 0

    def note() -> None:
        nonlocal count
        count += 1
        if count % max(1, parts // 100) == 0:
            report(min(0.99, count / parts))

    return note


def _result(corpora: Corpora, parent: Corpus, made: Corpus) -> Mapping[str, Any]:
    changed = made.id != parent.id
    done = corpus_findings.read_cleaning(corpora, made.id).remedies if changed else ()
    return {
        "corpus_id": made.id,
        "changed": changed,
        "chars": made.chars,
        "remedies": [{key: value for key, value in one.items() if key != "examples"} for one in done],
    }
