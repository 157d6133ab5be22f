"""What jobs that make or read a corpus share: work in a child process within the limits of the settings."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shared.errors import BadSourceFile, InvalidRequest, JobFailed, VolumeUnavailable
from shared.ids import corpus_id_of
from shared.volume import Corpus, Source
from shared.volume.corpus_record import Cleaning
from shared.volume.files import translated
from worker.jobs.attempt import Attempt
from worker.jobs.child_process import Report, run_in_child
from worker.jobs.volume_retry import VolumeRetry


@dataclass(frozen=True, kw_only=True)
class NewText:
    """A text that a job has made, about to become a corpus."""

    #: The file, in UTF-8.
    path: Path
    name: str
    #: Of the bytes that were sent.
    sha256: str
    source: Source | None = None
    #: How it was made from another corpus.
    cleaning: Cleaning | None = None


def run_limited(
    attempt: Attempt, work: Callable[[Report], Mapping[str, Any]], *, failure: type[JobFailed] = BadSourceFile
) -> dict[str, Any]:
    """Do a job's work in a child process, report its progress, and return what it returned, which JSON can hold.

    Args:
        attempt: the attempt.
        work: is passed a function to call with the share that is done; uses neither Redis nor the lease.
        failure: the error of the work, and of the limits.

    Raises:
        JobFailed: of type `failure`.
        StopRequested, LeaseLost, VolumeUnavailable
    """
    settings, reporter = attempt.host.settings, attempt.reporter

    def report(share: float) -> None:
        reporter.progress(replace(attempt.job.progress, fraction=share))
        reporter.flush()

    with attempt.host.tracer.span("child process"):
        done = run_in_child(
            lambda note: json.dumps(work(note)),
            lease=attempt.lease,
            memory_bytes=settings.extract_memory_bytes,
            max_s=settings.extract_s,
            failure=failure,
            report=report,
        )
    result: dict[str, Any] = json.loads(done)
    return result


def make_corpus(attempt: Attempt, make: Callable[[Path], NewText]) -> Corpus:
    """Make a text in the attempt's folder and store it as the job's corpus; doing so again gives the same corpus.

    While the volume takes no files, what was written is removed, and the job waits and tries again, for
    CHARLOOM_VOLUME_WAIT_S at most.

    Args:
        attempt: the attempt.
        make: writes the text to the empty folder that it is passed.

    Raises:
        BadSourceFile: the text is empty.
        StopRequested, LeaseLost, VolumeUnavailable, and what `make` raises.
    """
    folder = attempt.folder() / "corpus"
    retry = VolumeRetry(attempt)
    while True:
        try:
            with translated():
                folder.mkdir()
            text = make(folder)
            attempt.lease.check()
            return attempt.host.volume.corpora.adopt(
                text.path,
                corpus_id=corpus_id_of(attempt.job.id),
                name=text.name,
                sha256=text.sha256,
                source=text.source,
                cleaning=text.cleaning,
                owner=attempt.job.owner,
            )
        except InvalidRequest as exc:
            raise BadSourceFile(exc.detail, code="no_text") from exc
        except VolumeUnavailable as exc:
            shutil.rmtree(folder, ignore_errors=True)  # its space is needed
            retry.wait(exc)
