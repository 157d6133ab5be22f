"""The volume's id, in a file that is written once: a process on another folder notices that by it."""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from shared.errors import Damaged, NewerVersion, VolumeGone
from shared.ids import new_id
from shared.volume.files import FIRST
from shared.volume.shared_folder import SharedFolder

FILE = "volume.json"


@dataclass(frozen=True, kw_only=True)
class _Mark:
    id: str


_MARK = TypeAdapter(_Mark)


class VolumeMark:
    """The mark of one volume. Any method raises VolumeUnavailable."""

    def __init__(self, folder: Path, files: SharedFolder) -> None:
        self._folder, self._files = folder, files
        self.name = FILE
        self._path = folder / FILE

    def read(self) -> str | None:
        """Return the volume's id; None if it has none: it is new, not mounted, or of an older version."""
        try:
            mark = self._files.read_record(self._path, _MARK)
        except NewerVersion as exc:
            raise VolumeGone(exc.detail) from exc
        except Damaged as exc:
            raise VolumeGone(f"{exc.detail} Restore it from a backup, or remove it to have a new one written.") from exc
        return None if mark is None else mark.id

    def write(self) -> tuple[str, bool]:
        """Give the volume an id unless it has one. Return its id, and whether it is this call's."""
        own = new_id("vol")
        self._files.create(self._path, json.dumps(FIRST.stamp({"id": own})).encode("ascii"))
        found = self.read()
        return found or own, found == own

    def remove(self) -> None:
        """Remove the mark."""
        self._files.remove(self._path)

    def has_jobs(self) -> bool:
        """Return True if jobs have ever been stored here, whatever the version."""
        return self._files.has_folder(self._folder / "jobs")
