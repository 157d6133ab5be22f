"""The volume of a test: a small file system in memory that can be filled and made read-only, or a plain folder."""

import shutil
import subprocess
import threading
from pathlib import Path

#: Size of the volume: plenty for what the tests train.
SIZE = "192m"


class Disk:
    """A volume, mounted at a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self._filler = folder / "filler"
        self._over = threading.Event()
        self._keeper: threading.Thread | None = None
        words = ("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "charloom", str(folder))
        self.is_own = shutil.which("mount") is not None and not _run(*words)

    def fill(self) -> None:
        """Leave no byte free until `free`, even if somebody deletes what it was writing."""
        self._fill()
        self._over.clear()
        self._keeper = threading.Thread(target=self._keep_full, daemon=True)
        self._keeper.start()

    def free(self) -> None:
        """Give the space back."""
        if self._keeper is not None:
            self._over.set()
            self._keeper.join()
            self._keeper = None
        self._filler.unlink(missing_ok=True)

    def _keep_full(self) -> None:
        while not self._over.wait(0.05):
            self._fill()

    def _fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            size = 1 << 20
            while size:
                try:
                    written = file.write(b"\0" * size)
                except OSError:
                    written = 0
                if written < size:
                    size //= 2

    def set_read_only(self, read_only: bool) -> None:
        """Forbid or allow writes. The system refuses that while somebody writes: then it is tried again."""
        for _ in range(100):
            if not _run("mount", "-o", f"remount,{'ro' if read_only else 'rw'}", str(self.folder)):
                return
        raise OSError(f"{self.folder} can't be remounted")

    def close(self) -> None:
        """Unmount it."""
        self.free()
        if self.is_own:
            _run("umount", "--lazy", str(self.folder))


def _run(*words: str) -> int:
    return subprocess.run(words, capture_output=True, check=False).returncode
