"""Jobs that examine and clean a text: findings are kept, a cleaned text is new, and the old one stays as it was."""

import io
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from shared.ids import corpus_id_of
from shared.jobs.record import Job, JobType, Status
from shared.requests.cleaning import Remedy
from shared.volume import Corpus, corpus_findings
from tests.worker.cluster import Cluster
from tests.worker.texts.test_doctor import BOOK, GUTENBERG
from worker.jobs import clean_job, corpus_job
from worker.jobs.attempt import Attempt
from worker.jobs.runner import run_job
from worker.texts.doctor import RULES


@pytest.fixture
def run(cluster: Cluster) -> Callable[..., Job]:
    """Run a job about a text in this process, which forks for the work, and return the ended job."""

    def run_it(kind: JobType, corpus: Corpus, **params: Any) -> Job:
        job_id = cluster.mute().send(kind, {"corpus_id": corpus.id, "name": "Cleaned", **params})
        run_job(job_id, cluster.host())
        return cluster.store.jobs.get(job_id)

    return run_it


def corpus_of(cluster: Cluster, text: str) -> Corpus:
    sent = io.BytesIO(text.encode())
    corpus, _ = cluster.volume.corpora.add(sent, name="A bear", max_bytes=1 << 20)
    return corpus


def test_the_remedies_that_may_be_asked_for_are_those_of_the_rules_in_their_order() -> None:
    assert [rule.id for rule in RULES if rule.has_remedy] == list(Remedy)


def test_a_book_is_examined_and_cleaned_into_a_new_text(cluster: Cluster, run: Callable[..., Job]) -> None:
    corpora, corpus = cluster.volume.corpora, corpus_of(cluster, GUTENBERG)
    examined = run(JobType.EXAMINE, corpus)
    assert (examined.status, examined.error) == (Status.SUCCEEDED, None)
    assert examined.result == {"corpus_id": corpus.id, "findings": 2, "advised": ["licence"]}
    found = corpus_findings.read(corpora, corpus.id)
    assert found is not None
    assert [finding["id"] for finding in found.findings] == ["licence", "rare-characters"]

    cleaned = run(JobType.CLEAN, corpus, remedies="advised")
    assert (cleaned.status, cleaned.error) == (Status.SUCCEEDED, None)
    assert cleaned.result is not None
    made = corpora.get(cleaned.result["corpus_id"])
    assert (made.id, made.parent_id, made.name) == (corpus_id_of(cleaned.id), corpus.id, "Cleaned")
    assert corpora.text_path(made.id).read_text() == BOOK + "\n"
    assert corpora.text_path(corpus.id).read_text() == GUTENBERG
    (did,) = cleaned.result["remedies"]
    assert did == {"remedy": "licence", "changes": 2, "removed": corpus.chars - made.chars, "added": 0}
    cleaning = corpus_findings.read_cleaning(corpora, made.id)
    assert (cleaning.parent_id, cleaning.chars_before, cleaning.chars_after) == (corpus.id, corpus.chars, made.chars)
    assert cleaning.remedies[0]["examples"][0]["text"].startswith("The Project Gutenberg")
    files = {path.name for path in (cluster.volume.folder / "jobs" / cleaned.id).rglob("*")}
    assert files == {"job.json", "end.json"}

    # What is clean stays: the result is the text itself.
    again = run(JobType.CLEAN, made, remedies=["licence", "repeats"])
    assert again.result == {"corpus_id": made.id, "changed": False, "chars": made.chars, "remedies": []}


@pytest.mark.parametrize(
    ("text", "remedy"), [("| a | b | c |\n" * 40, "tables"), ("\u200b\u2060" * 50, "invisible-characters")]
)
def test_a_text_of_which_nothing_would_be_left_is_not_made(
    cluster: Cluster, run: Callable[..., Job], text: str, remedy: str
) -> None:
    before = [path.name for path in (cluster.volume.folder / "corpora").glob("cor_*")]
    corpus = corpus_of(cluster, text)
    job = run(JobType.CLEAN, corpus, remedies=[remedy])
    assert job.status is Status.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.retryable) == ("nothing_left", False)
    assert {path.name for path in (cluster.volume.folder / "corpora").glob("cor_*")} == {*before, corpus.id}


@pytest.mark.parametrize("kind", [JobType.EXAMINE, JobType.CLEAN])
def test_a_text_that_is_deleted_during_the_job_ends_it_in_words(
    cluster: Cluster, run: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, kind: JobType
) -> None:
    corpus = corpus_of(cluster, GUTENBERG + kind)
    limited = corpus_job.run_limited

    def delete_first(*args: Any, **options: Any) -> dict[str, Any]:
        shutil.rmtree(cluster.volume.folder / "corpora" / corpus.id)
        return limited(*args, **options)

    monkeypatch.setattr(clean_job, "run_limited", delete_first)
    job = run(kind, corpus, remedies=["licence"])
    assert job.status is Status.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.detail) == ("not_found", f"{corpus.id} has been deleted.")


def test_an_examination_whose_text_is_deleted_is_cancelled(
    cluster: Cluster, run: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_of(cluster, GUTENBERG + "deleted")
    limited = corpus_job.run_limited

    def delete_first(attempt: Attempt, *args: Any, **options: Any) -> dict[str, Any]:
        cluster.store.jobs.cancel(attempt.job.id)  # as a web server does; the lease doesn't know yet
        shutil.rmtree(cluster.volume.folder / "corpora" / corpus.id)
        return limited(attempt, *args, **options)

    monkeypatch.setattr(clean_job, "run_limited", delete_first)
    assert (run(JobType.EXAMINE, corpus)).status is Status.CANCELLED
