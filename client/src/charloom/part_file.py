"""The file that a download is written to until it is complete.

It lies next to the target under a name made of the sha256, so that a later download, in another process too, continues
it. Only one download at a time may: it locks the file, and any other of the same target meanwhile uses a file of its
own, which is deleted if it breaks off.
"""

import os
import sys
import uuid
from pathlib import Path
from typing import Self

if sys.platform != "win32":
    import fcntl


class PartFile:
    """An incomplete file, open for appending. Use it in a `with` block."""

    def __init__(self, target: Path, sha256: str) -> None:
        """Open what an earlier download has left, or a new file. Raises OSError."""
        self._target = target
        self.path = target.with_name(f".{target.name}.{sha256[:16]}.part")
        self.file = self.path.open("ab")
        #: Whether a later download can continue the file.
        self.resumable = self._lock()
        if not self.resumable:
            self.file.close()
            self.path = target.with_name(f".{target.name}.{uuid.uuid4().hex[:16]}.part")
            self.file = self.path.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        if not self.resumable:
            self.discard()

    def clear(self) -> None:
        """Drop the content."""
        self.file.truncate(0)
        self.file.seek(0)

    def discard(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)

    def publish(self) -> None:
        """Sync the file and rename it to the target. Raises OSError."""
        self.file.flush()
        os.fsync(self.file.fileno())
        if not self.resumable:
            self.file.close()  # Windows can't rename open files; nobody else uses this one
        self.path.replace(self._target)

    def _lock(self) -> bool:
        """Return True if no other download uses the file; False on Windows, which has no such lock."""
        if sys.platform == "win32":
            return False
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous holder of the lock may have renamed the file since it was opened here.
            return os.path.samestat(os.fstat(self.file.fileno()), self.path.stat())
        except OSError:
            return False
