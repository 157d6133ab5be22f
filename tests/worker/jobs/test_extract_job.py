"""Extract jobs: a file becomes a corpus once, and a bad one leaves words and nothing else."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared.jobs.record import Job, JobType, Status
from tests.worker.cluster import Cluster
from tests.worker.extraction import makers
from worker.extraction import extract as extraction
from worker.jobs.runner import run_job


@pytest.fixture
def run(cluster: Cluster, tmp_path: Path) -> Callable[..., Job]:
    """Run an extract job in this process, which forks for the extraction, and return the ended job."""

    def run_it(name: str, content: bytes, **settings: int) -> Job:
        (tmp_path / name).write_bytes(content)
        params = {"filename": name, "name": "Reeds", "sha256": hashlib.sha256(content).hexdigest(), "encoding": None}
        job_id = cluster.mute().send(JobType.EXTRACT, params, upload=tmp_path / name)
        limited = replace(cluster, settings=cluster.settings.model_copy(update=settings))
        run_job(job_id, limited.host())
        return cluster.store.jobs.get(job_id)

    return run_it


def files(cluster: Cluster, job: Job) -> set[str]:
    return {path.name for path in (cluster.volume.folder / "jobs" / job.id).rglob("*")}


def test_a_book_becomes_a_corpus_that_says_what_it_was_made_from(cluster: Cluster, run: Callable[..., Job]) -> None:
    content = makers.GOOD["reeds.epub"]
    job = run("reeds.epub", content)
    assert (job.status, job.error, job.progress.fraction) == (Status.SUCCEEDED, None, 1.0)
    assert job.result is not None
    corpus = cluster.volume.corpora.get(job.result["corpus_id"])
    assert cluster.volume.corpora.text_path(corpus.id).read_text() == makers.BOOK
    assert (corpus.name, corpus.chars, corpus.sha256) == (
        "Reeds",
        len(makers.BOOK),
        hashlib.sha256(content).hexdigest(),
    )
    assert corpus.source is not None
    assert (corpus.source.format, corpus.source.filename) == ("epub", "reeds.epub")
    assert (corpus.source.title, corpus.source.author) == ("Reeds", "A. B.")
    assert files(cluster, job) == {"job.json", "end.json"}

    # The same file is the same corpus, and another one once that is deleted.
    again = run("reeds.epub", content)
    assert again.result is not None
    assert again.result["corpus_id"] == corpus.id
    cluster.volume.corpora.delete(corpus.id)
    assert cluster.volume.corpora.extracted(corpus.sha256) is None


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.zip", makers.bomb(), "unpacked_too_large"),
        ("a.pdf", makers.pdf([[]]), "no_text"),
        ("a.docx", makers.docx("<w:p>"), "bad_source_file"),
        ("a.md", b"&nbsp; &nbsp;", "no_text"),
    ],
)
def test_a_refused_file_leaves_words_and_nothing_else(
    cluster: Cluster, run: Callable[..., Job], name: str, content: bytes, code: str
) -> None:
    before = set((cluster.volume.folder / "corpora").glob("*"))
    job = run(name, content, extract_unpacked_bytes=1 << 20)
    assert job.status is Status.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.retryable) == (code, False)
    assert files(cluster, job) == {"job.json", "end.json"}
    assert set((cluster.volume.folder / "corpora").glob("*")) == before


def test_too_much_memory_or_time_fails_in_words(
    cluster: Cluster, run: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "format_of", lambda *_: bytearray(1 << 30))
    job = run("a.md", b"# A", extract_memory_bytes=64 << 20)
    assert job.error is not None
    assert job.error.detail == "the file takes more than 64 MiB of memory to read"

    def forever(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr(extraction, "format_of", forever)
    job = run("b.md", b"# B", extract_s=1)
    assert job.error is not None
    assert job.error.detail == "the file takes more than 1 seconds to read"
    assert files(cluster, job) == {"job.json", "end.json"}
