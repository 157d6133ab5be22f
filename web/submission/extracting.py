"""From uploaded files to a queued extract job. Here only their first bytes are looked at: a worker reads them."""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from shared.errors import TooLarge
from shared.jobs.record import Job, JobType, NewJob
from shared.text.source_formats import HEAD_BYTES, SourceFormat, recognize
from shared.volume import Corpus
from shared.volume.files import translated
from web.http.uploads import Upload
from web.services import Services
from web.submission.submit import submit

_CHUNK_BYTES = 1 << 20
#: When the files of an upload were put into one archive: the same files are the same archive.
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def is_plain(uploads: Sequence[Upload]) -> bool:
    """Return True for a single plain text, which needs no extraction."""
    if len(uploads) != 1 or uploads[0].literal:
        return len(uploads) == 1
    return format_of(uploads[0]) is SourceFormat.TEXT


def format_of(upload: Upload) -> SourceFormat:
    """Return the format of a file by its first bytes or its name."""
    head = upload.stream.read(HEAD_BYTES)
    upload.stream.seek(0)
    return recognize(head, upload.filename)


def extract(services: Services, uploads: Sequence[Upload], *, encoding: str | None) -> Corpus | Job:
    """Queue the extraction of one text from files, or return the corpus that these very files became.

    Args:
        services: where to queue it.
        uploads: one file that isn't plain text, or several of any kind.
        encoding: of plain texts among them; None: detected from their bytes.

    Raises:
        TooLarge: together they have more bytes than a corpus may have.
        Refused: as `submit`.
    """
    with _as_one(services, uploads) as upload:
        sha256 = _digest(services, upload.stream)
        known = services.volume.corpora.extracted(sha256)
        if known is not None:
            return known
        job = partial(_job, services, upload, sha256, encoding)
        return submit(services, job, upload=upload, max_upload_bytes=services.settings.max_corpus_bytes)


def _job(services: Services, upload: Upload, sha256: str, encoding: str | None, job_id: str) -> NewJob:
    return NewJob(
        id=job_id,
        type=JobType.EXTRACT,
        params={"filename": upload.filename, "name": upload.name, "sha256": sha256, "encoding": encoding},
        makes_bytes=upload.size_bytes,
        max_attempts=services.settings.max_attempts,
    )


@contextmanager
def _as_one(services: Services, uploads: Sequence[Upload]) -> Iterator[Upload]:
    """Give the single upload, or a zip file of several."""
    first = uploads[0]
    if len(uploads) == 1:
        yield first
        return
    with translated(), tempfile.TemporaryFile(dir=services.volume.folder) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for upload in uploads:
                entry = zipfile.ZipInfo(upload.filename or "untitled", _LONG_AGO)
                with archive.open(entry, "w", force_zip64=True) as target:
                    for chunk in _chunks(upload.stream):
                        target.write(chunk)
        file.seek(0)
        yield replace(first, stream=file, filename=f"{first.filename[:200]} and {len(uploads) - 1} more")


def _digest(services: Services, stream: BinaryIO) -> str:
    """Return a file's sha256, and rewind it. Raises TooLarge."""
    limit, size, digest = services.settings.max_corpus_bytes, 0, hashlib.sha256()
    for chunk in _chunks(stream):
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The files have more than {limit:,} bytes together, the most that is accepted here.")
        digest.update(chunk)
    stream.seek(0)
    return digest.hexdigest()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk
