"""Run an extract job: takes the text out of an uploaded file, in a child process, and stores it as a corpus."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from shared.errors import BadSourceFile
from shared.ids import corpus_id_of
from shared.jobs.record import Job
from shared.settings import Settings
from shared.text.source_formats import SourceFormat
from shared.volume import Corpus, Source
from shared.volume.files import translated
from worker.jobs.attempt import Attempt, Outcome, Written
from worker.jobs.child_process import Report
from worker.jobs.corpus_job import NewText, make_corpus, run_limited

#: Python's names for what opens a connection.
_NETWORK = ("socket.__new__", "socket.connect", "socket.getaddrinfo", "urllib.Request")


def run_extract(attempt: Attempt) -> Outcome:
    """Extract the text of the uploaded file.

    Raises:
        BadSourceFile, StopRequested, LeaseLost, StoreUnavailable, VolumeUnavailable
    """
    job, corpora = attempt.job, attempt.host.volume.corpora
    upload = attempt.host.volume.jobs.upload(job.id)
    made = corpora.extracted(job.params["sha256"]) or corpora.find(corpus_id_of(job.id))
    if made is not None:  # by an attempt that was lost before it could report it, or by another job
        return Written(result=_result(made, {}))
    found: dict[str, Any] = {}

    def make(folder: Path) -> NewText:
        found.update(run_limited(attempt, partial(_extract, job, upload, folder, attempt.host.settings)))
        source = Source(
            format=SourceFormat(found["format"]),
            filename=job.params["filename"],
            title=found["title"],
            author=found["author"],
            files=found["files"],
        )
        return NewText(path=folder / "text.txt", name=job.params["name"], sha256=job.params["sha256"], source=source)

    return Written(result=_result(make_corpus(attempt, make), found))


def _result(corpus: Corpus, found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "corpus_id": corpus.id,
        "format": None if corpus.source is None else corpus.source.format,
        "chars": corpus.chars,
        "skipped": found.get("skipped", []),
    }


def _extract(job: Job, upload: Path, folder: Path, settings: Settings, report: Report) -> dict[str, Any]:
    """Extract the text in the child process; return what was found."""
    from worker.extraction.extract import extract  # noqa: PLC0415  (the parsers are loaded where they are used)

    sys.addaudithook(_refuse_network)
    with translated():
        found = extract(
            upload,
            job.params["filename"],
            folder,
            encoding=job.params["encoding"],
            max_bytes=settings.max_corpus_bytes,
            max_unpacked_bytes=settings.extract_unpacked_bytes,
            report=report,
        )
    return asdict(found)


def _refuse_network(event: str, _: object) -> None:
    if event in _NETWORK:
        raise BadSourceFile("The file asks for something from the network, which isn't opened.", code="network")
