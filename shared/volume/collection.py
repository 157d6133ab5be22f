"""Resources of one kind, corpora or models: each has a folder, named by its id, with a record in meta.json."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Generic

from pydantic import TypeAdapter

from shared.errors import NotFound, VolumeGone, no_such
from shared.ids import is_id
from shared.versions import Version
from shared.volume.files import page_ids
from shared.volume.shared_folder import SharedFolder, T


class Collection(Generic[T]):
    """The folder of these resources. Any method raises VolumeUnavailable."""

    #: What a resource is called in messages, the prefix of its ids, and the type and version of its record.
    _noun: str
    _prefix: str
    _record: TypeAdapter[T]
    _version: Version

    def __init__(self, folder: Path, files: SharedFolder | None = None) -> None:
        self._folder, self._files = folder, files or SharedFolder()
        self._lock = folder / ".lock"

    def list(
        self, *, after: str | None, limit: int, newest_first: bool = True, where: Callable[[T], bool] = lambda _: True
    ) -> tuple[Sequence[T], bool]:
        """Return some resources after an id, and whether more follow, of those that `where` accepts.

        Damaged ones are left out.
        """
        ids = page_ids(self.ids(), after=after, newest_first=newest_first)
        found = list(islice((one for name in ids if (one := self.find(name)) and where(one)), limit + 1))
        return found[:limit], len(found) > limit

    def ids(self) -> Sequence[str]:
        """Return the ids of all resources, oldest first."""
        return [name for name in self._files.list_ids(self._folder) if is_id(name, self._prefix)]

    def find(self, resource_id: str) -> T | None:
        """Return a resource's record; None if there is none, or if it is damaged or of a newer version."""
        path = self._folder / resource_id / "meta.json"
        return self._files.find_record(path, self._record, self._version) if is_id(resource_id, self._prefix) else None

    def get(self, resource_id: str) -> T:
        """Return a resource's record. Raises NotFound, Damaged, NewerVersion."""
        found = self._files.read_record(self.folder(resource_id) / "meta.json", self._record, self._version)
        if found is None:
            raise NotFound(f"{resource_id} has just been deleted.")
        return found

    def folder(self, resource_id: str) -> Path:
        """Return a resource's folder, even if its record is damaged. Raises NotFound."""
        folder = self._folder / resource_id
        if not is_id(resource_id, self._prefix) or not self._files.exists(folder / "meta.json"):
            raise NotFound(no_such(self._noun, resource_id))
        return folder

    def edit(
        self,
        resource_id: str,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> T:
        """Change the name or metadata of a resource; None leaves them unchanged.

        `check` is called while no other process can edit or delete it; what it raises stops the change. It may be
        called again where another process was faster.

        Raises:
            NotFound, Damaged, NewerVersion.
        """
        self.get(resource_id)
        fields, meta = {"name": name, "metadata": metadata}, self._folder / resource_id / "meta.json"
        try:
            self._files.set_fields(self._lock, meta, fields, check)
        except (FileNotFoundError, VolumeGone):
            self.folder(resource_id)  # has it just been deleted?
            raise
        return self.get(resource_id)

    def delete(self, resource_id: str, *, check: Callable[[], None] = lambda: None) -> None:
        """Remove a resource, if `check`, called as by `edit`, raises nothing. Raises NotFound."""
        meta = self.folder(resource_id) / "meta.json"
        try:
            self._files.delete(self._lock, meta, check)
        except FileNotFoundError as exc:
            raise NotFound(f"{resource_id} has just been deleted.") from exc
