"""Opening an untrusted zip file: its directory and its members are bounded before they are read.

zipfile makes an object of every entry of the directory. A gigabyte of entries of 47 bytes took 8 GB and minutes
(measured on a twentieth of it: 370 MB and 8.7 s); a model has a few dozen.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.errors import BadModelFile

#: Bytes of a zip file's directory: tens of thousands of members. Nothing larger is read while the file is opened.
MAX_DIRECTORY_BYTES = 1 << 20
#: Bytes of a member that may be packed as well as can be: a sample of 10,000 blanks is.
SMALL_BYTES = 1 << 20


class _Bounded(io.BufferedReader):
    """A file of which at most `most` bytes are read at once, unless that is None."""

    most: int | None = MAX_DIRECTORY_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, or raise BadModelFile if more is asked for than the limit."""
        if self.most is None:
            return super().read(size)
        if size is None or size < 0:
            size = self.most + 1
        if size > self.most + 1:
            raise BadModelFile(f"the zip file's directory has {size} bytes; at most {self.most} are needed")
        return super().read(size)


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file. Raises BadModelFile if its directory is too long, or what zipfile raises."""
    with _Bounded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        file.most = None
        yield archive


def checked(archive: zipfile.ZipFile, name: str, *, max_bytes: int, max_ratio: int) -> zipfile.ZipInfo:
    """Return the directory entry of a member that is to be unpacked.

    Args:
        archive: the zip file.
        name: the member, which must exist.
        max_bytes: of its unpacked content.
        max_ratio: how many times as large as packed it may be, unless it is small.

    Raises:
        BadModelFile: it is too large.
    """
    entry = archive.getinfo(name)
    if (size := entry.file_size) > max_bytes:
        raise BadModelFile(f"{name} has {size} bytes; at most {max_bytes} are needed")
    if size > max(SMALL_BYTES, max_ratio * entry.compress_size):
        raise BadModelFile(f"{name} would unpack from {entry.compress_size} bytes to {size}; a model's file doesn't")
    return entry


def read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Unpack a member, and no more of it than its entry says: without a size zipfile unpacks all that there is."""
    with archive.open(entry) as file:
        return file.read(entry.file_size)


@contextmanager
def lines(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[BinaryIO]:
    """Open a member to be unpacked line by line."""
    with archive.open(entry) as file, io.BufferedReader(file) as buffered:  # type: ignore[type-var]
        yield buffered
