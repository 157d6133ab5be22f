"""Opening a zip file that a stranger sent: its list of parts is bounded before it is read.

zipfile makes an object of every entry of that list. A gigabyte of entries of 47 bytes took 8 GB and minutes (measured
on a twentieth of it: 370 MB and 8.7 s); a model has a few dozen.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import BadModelFile

#: Bytes that the list of a zip file's parts may have: tens of thousands of them. The largest read while it is opened.
MAX_LIST_BYTES = 1 << 20


class _Bounded(io.BufferedReader):
    """A file of which no more is read at once than a limit, as long as there is one."""

    most: int | None = MAX_LIST_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, or raise BadModelFile where more is asked for than the limit."""
        if self.most is None:
            return super().read(size)
        if size is None or size < 0:
            size = self.most + 1
        if size > self.most + 1:
            raise BadModelFile(f"the list of the file's parts has {size} bytes; at most {self.most} are needed")
        return super().read(size)


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file. Raises BadModelFile where its list of parts is too long, else what zipfile raises."""
    with _Bounded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        file.most = None
        yield archive
