"""Unpacks zip and gzip files within a limit of bytes that is shared by everything one upload contains.

Nothing is unpacked under a name from the archive: each file goes to a numbered one, and its name is only read. So
"../" in a name has no effect.
"""

import gzip
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self, cast

from shared.errors import BadSourceFile
from shared.settings import PREFIX
from shared.sizes import size

_CHUNK_BYTES = 1 << 20
#: Files that one archive may list.
MAX_ENTRIES = 20_000
#: The flag of an encrypted entry.
_ENCRYPTED = 1
#: What zipfile, gzip and zlib raise for damaged data; NotImplementedError: a compression method that Python lacks.
DAMAGE = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError)


class Budget:
    """Bytes that may still be unpacked of an upload."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def spend(self, count: int) -> None:
        """Count unpacked bytes. Raises BadSourceFile."""
        self._left -= count
        if self._left < 0:
            raise BadSourceFile(
                f"The file unpacks to more than {size(self._limit)}, the most that is allowed "
                f"({PREFIX}EXTRACT_UNPACKED_BYTES). Send the text in parts.",
                code="unpacked_too_large",
            )


class Scratch:
    """Numbered files for what is unpacked, in a folder of their own."""

    def __init__(self, folder: Path, budget: Budget) -> None:
        self._folder = folder
        self._budget = budget
        self._count = 0

    @contextmanager
    def hold(self, stream: IO[bytes], what: str) -> Iterator[Path]:
        """Unpack a stream to a file, which is removed at the end. Raises BadSourceFile."""
        self._count += 1
        path = self._folder / f"{self._count}.part"
        try:
            with path.open("wb") as file:
                for chunk in self._chunks(stream, what):
                    file.write(chunk)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def read(self, stream: IO[bytes], what: str) -> bytes:
        """Unpack a stream into memory. Raises BadSourceFile."""
        return b"".join(self._chunks(stream, what))

    def _chunks(self, stream: IO[bytes], what: str) -> Iterator[bytes]:
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                self._budget.spend(len(chunk))
                yield chunk
        except DAMAGE as exc:
            raise damaged(what, exc) from exc


class Archive:
    """A zip file that is open for reading."""

    def __init__(self, path: Path, name: str, scratch: Scratch) -> None:
        """Open it. Raises BadSourceFile."""
        self.name = name
        self._scratch = scratch
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGE as exc:
            raise damaged(name, exc) from exc
        entries = [one for one in self._zip.infolist() if not one.is_dir()]
        if len(entries) > MAX_ENTRIES:
            raise BadSourceFile(
                f"{name} has {len(entries):,} files, but may have {MAX_ENTRIES:,}. Send the texts in several archives.",
                code="too_many_files",
            )
        self.entries = {one.filename: one for one in entries}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    @contextmanager
    def open(self, entry: str) -> Iterator[IO[bytes]]:
        """Open a file of the archive. Raises BadSourceFile where it is absent, encrypted or damaged."""
        found = self.entries.get(entry)
        if found is None:
            raise damaged(self.name, f"it lacks {entry}")
        if found.flag_bits & _ENCRYPTED:
            raise BadSourceFile(
                f"{self.name} is encrypted: {entry} needs a password. Unpack it and send it without one.",
                code="encrypted",
            )
        try:
            stream = self._zip.open(found)
        except DAMAGE as exc:
            raise damaged(self.name, exc) from exc
        with stream:
            yield stream

    def read(self, entry: str) -> bytes:
        """Return a file of the archive. Raises BadSourceFile."""
        with self.open(entry) as stream:
            return self._scratch.read(stream, self.name)


def open_gzip(path: Path) -> IO[bytes]:
    """Open a gzip file."""
    return cast(IO[bytes], gzip.open(path))  # it has all that is used of one


def damaged(name: str, why: object) -> BadSourceFile:
    """Return the error for a file that can't be read."""
    said = " ".join(str(why).split()).rstrip(".")[:200] or type(why).__name__
    return BadSourceFile(f"{name} is damaged or isn't what it seems: {said}. Export or download it again.")


def clear(folder: Path) -> None:
    """Remove a scratch folder."""
    shutil.rmtree(folder, ignore_errors=True)
