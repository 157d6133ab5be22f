"""How the volume's files are kept where all hosts share a folder. `Bucket` keeps the same files as objects of a bucket.

Corpora, models and jobs read and write the volume through one of these; all paths are below the volume's folder. Any
method raises VolumeUnavailable.
"""

import logging
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.errors import Damaged, NewerVersion, VolumeUnavailable
from shared.jobs.rows import first_error
from shared.versions import Version
from shared.volume import files
from shared.volume.files import FIRST, committed, locked, sync_folder, translated

log = logging.getLogger(__name__)

T = TypeVar("T")
Record = dict[str, Any]


class SharedFolder:
    """A folder that all hosts share."""

    def read(self, path: Path) -> bytes:
        """Return a small file's content. Raises FileNotFoundError."""
        with translated():
            return path.read_bytes()

    def read_json(self, path: Path) -> Any:
        """Read a JSON file; None if it doesn't exist. Raises Damaged."""
        return files.read_json(path)

    def read_record(self, path: Path, kind: TypeAdapter[T], version: Version = FIRST) -> T | None:
        """Read a JSON file of one type, without fields that a newer version has added; None if it doesn't exist.

        Raises:
            Damaged, NewerVersion
        """
        found = self.read_json(path)
        version.check(found, f"{path.name} of {path.parent.name}")
        try:
            return None if found is None else kind.validate_python(found)
        except ValidationError as exc:
            raise Damaged(f"{path.name} of {path.parent.name} is damaged: {first_error(exc)}.") from exc

    def find_record(self, path: Path, kind: TypeAdapter[T], version: Version = FIRST) -> T | None:
        """Read a JSON file of one type; None if it doesn't exist, is damaged or of a newer version, which is logged."""
        try:
            return self.read_record(path, kind, version)
        except (Damaged, NewerVersion) as exc:
            log.error("%s", exc)
            return None

    def local(self, path: Path) -> Path:
        """Return the path on this host of a file that never changes; a missing one fails when it is opened."""
        return path

    def local_folder(self, folder: Path) -> Path:
        """Return the path on this host of a folder whose files never change."""
        return folder

    def exists(self, path: Path) -> bool:
        """Return True if there is such a file."""
        with translated():
            return path.exists()

    def has_folder(self, folder: Path) -> bool:
        """Return True if there is such a folder."""
        with translated():
            return folder.is_dir()

    def list_ids(self, folder: Path) -> list[str]:
        """Return the names in a folder that aren't hidden, in order; ids sort by time."""
        return files.list_ids(folder)

    def modified_ms(self, path: Path) -> int:
        """Return when a file was written, by the volume's clock, ms since 1970. Raises FileNotFoundError."""
        with translated():
            return round(path.stat().st_mtime * 1000)

    def write_json(self, path: Path, value: Any, *, synced: bool = True) -> None:
        """Commit a JSON file."""
        files.write_json(path, value, synced=synced)

    def create(self, path: Path, content: bytes, *, mode: int = 0o666) -> bool:
        """Commit a small file, and its folder. Return False if it exists: of several hosts, one creates it."""
        with translated():
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with committed(path, replace=False, mode=mode) as temporary:
                temporary.write_bytes(content)
        except FileExistsError:
            return False
        return True

    def make_folder(self, folder: Path) -> None:
        """Make a new folder. Raises FileExistsError."""
        with translated():
            folder.mkdir(parents=True)

    def working_folder(self, folder: Path) -> Path:
        """Return where this host writes the files of an existing folder."""
        return folder

    def keep(self, path: Path) -> None:
        """Make a file that was written on this host one of the volume's."""

    def keep_folder(self, folder: Path) -> None:
        """Make the files of a folder that was written on this host the volume's."""

    def sync(self, folder: Path) -> None:
        """Make sure that the names in a folder are on the disk."""
        with translated():
            sync_folder(folder)

    def remove(self, path: Path) -> None:
        """Remove a file, if it exists."""
        with translated():
            path.unlink(missing_ok=True)

    def remove_tree(self, folder: Path) -> None:
        """Remove a folder, if it exists; it is never there in part."""
        files.remove_tree(folder)

    def publish(self, built: Path, target: Path, *, last: str) -> bool:  # noqa: ARG002  (a rename has no order)
        """Move a folder into place whole. Return False if the target exists already: then that one stays.

        Args:
            built: on this host, or kept before by any host.
            target: in a folder that exists.
            last: the file without which a folder counts as missing.

        Raises FileNotFoundError.
        """
        with translated():
            moved = not target.exists()
            if moved:
                try:
                    built.rename(target)
                except OSError:
                    if not target.exists():
                        raise
                    moved = False
            sync_folder(target.parent)
            return moved

    def change(self, lock: Path, path: Path, changed: Callable[[Record], Record]) -> None:
        """Replace a JSON file by what `changed` makes of it, while no other process can change or delete it.

        `changed` may be called again if another process was faster. Raises FileNotFoundError.
        """
        with locked(lock):
            if (known := self.read_json(path)) is None:
                raise FileNotFoundError(path)
            self.write_json(path, changed(known))

    def set_fields(self, lock: Path, path: Path, fields: Mapping[str, Any], check: Callable[[], None]) -> None:
        """Set those fields of a JSON file that aren't None, if `check`, called as by `delete`, raises nothing.

        Raises FileNotFoundError.
        """

        def changed(known: Record) -> Record:
            check()
            return known | {name: value for name, value in fields.items() if value is not None}

        self.change(lock, path, changed)

    def delete(self, lock: Path, path: Path, check: Callable[[], None]) -> None:
        """Remove a file's whole folder if `check`, called as `changed` is by `change`, raises nothing.

        Raises FileNotFoundError.
        """
        with locked(lock):
            if not self.exists(path):
                raise FileNotFoundError(path)
            check()
            self.remove_tree(path.parent)

    def open_manifest(self, path: Path) -> None:
        """Make the folder of a new manifest, which is this process' own. Raises FileExistsError."""
        with translated():
            path.parent.mkdir(parents=True)
            sync_folder(path.parent.parent)

    def close_manifests(self, paths: Sequence[Path]) -> None:
        """Have whoever opened these manifests write to them no more, where that can be enforced."""

    def commit_manifest(self, path: Path, value: Mapping[str, Any]) -> None:
        """Commit a manifest that this process has opened. Raises LeaseLost if it was closed."""
        self.write_json(path, value)

    def room(self, folder: Path) -> tuple[int, int] | None:
        """Return the free and the whole space, bytes; None if there is no limit. Raises OSError."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize

    def check(self, folder: Path, *, synced: bool = False) -> None:
        """Raise VolumeUnavailable unless files can be written; `synced`: and reach the disk."""
        probe = folder / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
        with translated():
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as exc:
                raise VolumeUnavailable(f"The data volume can't be used: {folder.name} is not a folder.") from exc
            try:
                with probe.open("wb") as file:
                    file.write(b"ok")
                    if synced:
                        file.flush()
                        os.fsync(file.fileno())
            finally:
                probe.unlink(missing_ok=True)
