"""The volume as objects in a bucket (docs/adr/0036-a-volume-in-a-bucket.md).

An object's key is the path of its file below the volume's folder, which on this host holds copies and what is being
built. Records (JSON) are read from the bucket each time. Files that never change under their name are downloaded once;
copies that weren't used for a day are removed.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.errors import LeaseLost, VolumeUnavailable
from shared.volume.files import decode_json, translated
from shared.volume.objects import Objects, Overtaken
from shared.volume.shared_folder import Record, SharedFolder

#: How often a change is tried again that others overtake.
_TRIES = 50
#: An ETag that no object has.
_NO_ETAG = f'"{"0" * 32}"'
#: Seconds for which an unused copy is kept, and between two searches for such copies.
_KEPT_S, _SEARCH_S = 24 * 3600, 3600


class Bucket(SharedFolder):
    """The volume's files in a bucket, with this host's copies in a folder."""

    def __init__(self, objects: Objects, folder: Path) -> None:
        self._objects, self._folder = objects, folder
        #: ETags of the manifests that this process has opened.
        self._opened: dict[Path, str] = {}
        self._conditional = False
        self._search_at = time.monotonic() + _SEARCH_S

    @classmethod
    def of(cls, url: str, folder: Path) -> "Bucket":
        """Make the one that an address like s3://bucket/prefix names. Nothing is connected yet."""
        parts = urlsplit(url)
        return cls(Objects(parts.netloc, parts.path), folder)

    def read(self, path: Path) -> bytes:
        """Return a small object's content. Raises FileNotFoundError."""
        return self._get(path)[0]

    def read_json(self, path: Path) -> Any:
        """Read a JSON object; None if it doesn't exist. Raises Damaged."""
        found = self._objects.get(self._key(path))
        return None if found is None else decode_json(path, found[0])

    def local(self, path: Path) -> Path:
        """Return the path of this host's copy; it is downloaded if there is none."""
        with translated():
            with suppress(FileNotFoundError):
                os.utime(path)  # it is in use
                return path
            self._drop_unused()
            path.parent.mkdir(parents=True, exist_ok=True)
            self._objects.download(self._key(path), path)
        return path

    def local_folder(self, folder: Path) -> Path:
        """Return this host's copy of a folder; what lacks is downloaded."""
        for key in self._objects.keys(self._key(folder)):
            self.local(self._folder / key)
        return folder

    def exists(self, path: Path) -> bool:
        """Return True if there is such an object."""
        return self._objects.modified_ms(self._key(path)) is not None

    def has_folder(self, folder: Path) -> bool:
        """Return True if there are objects below this path."""
        return self._objects.has(self._key(folder))

    def list_ids(self, folder: Path) -> list[str]:
        """Return the names below this path that aren't hidden, in order."""
        return [name for name in self._objects.names(self._key(folder)) if not name.startswith(".")]

    def modified_ms(self, path: Path) -> int:
        """Return when an object was written, by the server's clock, ms since 1970. Raises FileNotFoundError."""
        found = self._objects.modified_ms(self._key(path))
        if found is None:
            raise FileNotFoundError(path)
        return found

    def write_json(self, path: Path, value: Any, *, synced: bool = True) -> None:  # noqa: ARG002  (it always is)
        """Write a JSON object."""
        self._objects.put(self._key(path), _encoded(value))

    def create(self, path: Path, content: bytes, *, mode: int = 0o666) -> bool:  # noqa: ARG002  (objects have none)
        """Create a small object. Return False if it exists with another content."""
        try:
            self._objects.put(self._key(path), content, new=True)
        except Overtaken:
            return False
        return True

    def make_folder(self, folder: Path) -> None:
        """Make this host's folder for new objects."""
        with translated():
            folder.mkdir(parents=True, exist_ok=True)

    def working_folder(self, folder: Path) -> Path:
        """Return where this host writes the files of an existing folder."""
        self.make_folder(folder)
        return folder

    def keep(self, path: Path) -> None:
        """Upload a file. If that fails, this host doesn't keep it either."""
        try:
            with translated(), path.open("rb") as file:
                self._objects.put(self._key(path), file)
        except VolumeUnavailable:
            path.unlink(missing_ok=True)
            raise

    def keep_folder(self, folder: Path) -> None:
        """Upload the files of a folder."""
        for path in sorted(folder.iterdir()):
            self.keep(path)

    def sync(self, folder: Path) -> None:
        """Do nothing: what was written is lasting."""

    def remove(self, path: Path) -> None:
        """Delete an object, if it exists."""
        path.unlink(missing_ok=True)
        self._objects.delete(self._key(path))

    def remove_tree(self, folder: Path) -> None:
        """Delete all objects below a path: records first, without which the others count as missing."""
        shutil.rmtree(folder, ignore_errors=True)
        for key in sorted(self._objects.keys(self._key(folder)), key=lambda key: not key.endswith(".json")):
            self._objects.delete(key)

    def publish(self, built: Path, target: Path, *, last: str) -> bool:
        """Copy what was kept, or upload what is on this host; see `SharedFolder.publish`."""
        if self.exists(target / last):
            return False
        kept = list(self._objects.keys(self._key(built)))
        record = self.read(built / last) if kept else (built / last).read_bytes()
        for name in [Path(key).name for key in kept] or sorted(path.name for path in built.iterdir()):
            if name != last:
                self._place(built / name, target / name, kept=bool(kept))
        created = self.create(target / last, record)
        with suppress(OSError):  # this host needn't download it
            built.rename(target)
        return created

    def change(self, lock: Path, path: Path, changed: Callable[[Record], Record]) -> None:  # noqa: ARG002
        """Replace a JSON object, again from the start if another process was faster. Raises FileNotFoundError."""
        self._replace(path, changed)

    def delete(self, lock: Path, path: Path, check: Callable[[], None]) -> None:  # noqa: ARG002
        """Delete all objects below an object's folder, this one if nobody has changed it since the check."""
        for _ in range(_TRIES):
            _, etag = self._get(path)
            check()
            try:
                self._objects.delete(self._key(path), etag=etag)
            except Overtaken:
                continue
            self.remove_tree(path.parent)
            return
        raise _busy(path)

    def open_manifest(self, path: Path) -> None:
        """Create a new manifest, which is this process' own. Raises FileExistsError."""
        try:
            self._opened[path] = self._objects.put(self._key(path), _revised({}), new=True)
        except Overtaken as exc:
            raise FileExistsError(path) from exc
        self.make_folder(path.parent)

    def close_manifests(self, paths: Sequence[Path]) -> None:
        """Give these manifests a new ETag: the writes of whoever has opened them are refused from then on."""
        for path in paths:
            with suppress(FileNotFoundError):
                self._replace(path, lambda known: known | {"closed": True})

    def commit_manifest(self, path: Path, value: Mapping[str, Any]) -> None:
        """Commit a manifest that this process has opened. Raises LeaseLost if it was closed."""
        try:
            self._opened[path] = self._objects.put(self._key(path), _revised(value), replaces=self._opened[path])
        except (KeyError, Overtaken) as exc:
            raise LeaseLost(f"A newer attempt has closed {self._key(path)}") from exc

    def room(self, folder: Path) -> None:
        """Return None: a bucket has no size."""

    def check(self, folder: Path, *, synced: bool = False) -> None:  # noqa: ARG002
        """Raise VolumeUnavailable unless objects can be written, and the server refuses what its conditions exclude."""
        self.make_folder(folder)
        probe = folder / f".probe-{secrets.token_hex(8)}"
        try:
            self._objects.put(self._key(probe), b"1", new=True)
            if not self._conditional:
                self._conditional = self._refuses(probe, new=True) and self._refuses(probe, replaces=_NO_ETAG)
                if not self._conditional:
                    raise VolumeUnavailable(
                        "The data volume can't be used: its server ignores If-None-Match or If-Match, so that two "
                        "workers could overwrite each other's files."
                    )
        finally:
            self._objects.delete(self._key(probe))

    def _refuses(self, probe: Path, **condition: Any) -> bool:
        try:
            self._objects.put(self._key(probe), b"2", **condition)
        except Overtaken:
            return True
        return False

    def _place(self, source: Path, target: Path, *, kept: bool) -> None:
        if kept:
            self._objects.copy(self._key(source), self._key(target))
        else:
            with source.open("rb") as file:
                self._objects.put(self._key(target), file)

    def _replace(self, path: Path, changed: Callable[[Record], Record]) -> None:
        for _ in range(_TRIES):
            content, etag = self._get(path)
            with suppress(Overtaken):
                self._objects.put(self._key(path), _revised(changed(decode_json(path, content))), replaces=etag)
                return
        raise _busy(path)

    def _get(self, path: Path) -> tuple[bytes, str]:
        found = self._objects.get(self._key(path))
        if found is None:
            raise FileNotFoundError(path)
        return found

    def _key(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _drop_unused(self) -> None:
        """Remove copies that weren't used for a day."""
        if time.monotonic() < self._search_at:
            return
        self._search_at = time.monotonic() + _SEARCH_S
        oldest = time.time() - _KEPT_S
        for path in self._folder.rglob("*"):
            with suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < oldest:
                    path.unlink()


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False).encode()


def _revised(record: Mapping[str, Any]) -> bytes:
    """Encode a record so that no two writes of it have the same content, and so the same ETag."""
    return _encoded({**record, "revision": secrets.token_hex(8)})


def _busy(path: Path) -> VolumeUnavailable:
    return VolumeUnavailable(f"{path.parent.name} is being changed by many at once.")
