"""Every file of the volume is written here: to a temporary file, then fsync, rename, fsync of the folder.

Modes are those of the process' umask, which `CHARLOOM_UMASK` sets.
"""

import errno
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from shared.errors import Damaged, VolumeGone, VolumeUnavailable
from shared.versions import Version

#: Of files that have had no other yet.
FIRST = Version(newest=1)

#: Errors that the operator has to fix, and how a message describes them.
_TROUBLES = {
    errno.ENOSPC: "the disk is full; free some space (delete models or corpora that nobody needs)",
    errno.EDQUOT: "the disk quota is used up; free some space (delete models or corpora that nobody needs)",
    errno.EROFS: "it is mounted read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.ENOLCK: "it grants no file locks",
    errno.EIO: "the disk reports an input/output error",
}

#: Errors of a network file system that has lost its server or its files, and how a message describes them.
_LOSSES = {
    errno.ESTALE: "the network file system lost the file",
    errno.ETIMEDOUT: "its server doesn't respond",
    errno.ENOTCONN: "the connection to its server was lost",
    errno.EHOSTDOWN: "its server is down",
}


@contextmanager
def translated() -> Iterator[None]:
    """Raise `VolumeUnavailable` for an OSError that comes from the volume; let others pass."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _TROUBLES:
            raise VolumeUnavailable(f"The data volume can't be used now: {_TROUBLES[exc.errno]}.") from exc
        if exc.errno == errno.ESTALE and _is_removed(exc.filename):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), exc.filename) from exc
        if exc.errno in _LOSSES:
            raise VolumeGone(f"The data volume can't be used now: {_LOSSES[exc.errno]}.") from exc
        raise


def _is_removed(path: object) -> bool:
    """Return True if a file that NFS calls stale is one that another host has removed, and its folder is there."""
    return isinstance(path, str | Path) and not os.path.lexists(path) and Path(path).parent.is_dir()


@contextmanager
def _existing(folder: Path) -> Iterator[None]:
    """Raise `VolumeGone` for a file that can't be written since its folder is gone; else as `translated`."""
    try:
        with translated():
            yield
    except FileNotFoundError as exc:
        raise VolumeGone(f"The data volume can't be used now: the folder {folder.name} isn't there any more.") from exc


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def committed(path: Path, *, synced: bool = True, replace: bool = True, mode: int = 0o666) -> Iterator[Path]:
    """Give a temporary file to write, and move it to `path` at the end: whole or not at all, even if the power fails.

    Args:
        path: the file to write. If the block or the disk fails, it is as it was, and no temporary file is left.
        synced: False skips both fsyncs. This takes a tenth of a millisecond instead of many; a host that fails may
            lose the file then, a process that dies doesn't.
        replace: False keeps an existing file and raises FileExistsError.
        mode: of the new file, before the umask.

    Raises:
        VolumeUnavailable
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with _existing(path.parent):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            granted = os.fstat(descriptor).st_mode
            os.close(descriptor)
        with translated():
            yield temporary
        with _existing(path.parent):
            with temporary.open("rb+") as file:
                if os.fstat(file.fileno()).st_mode != granted:  # safetensors puts a file of its own in its place
                    os.fchmod(file.fileno(), granted)
                if synced:
                    os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                os.link(temporary, path)
            if synced:
                sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is made if needed: other threads, processes and hosts wait for it.

    The file is opened for writing, without which NFS grants no exclusive lock. Raises VolumeUnavailable.
    """
    with translated():
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
    with file:
        with translated():
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_json(path: Path, value: Any, *, synced: bool = True) -> None:
    """Commit a JSON file. Raises VolumeUnavailable."""
    with committed(path, synced=synced) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1, allow_nan=False)


def read_json(path: Path) -> Any:
    """Read a JSON file; None if it doesn't exist. Raises Damaged, VolumeUnavailable."""
    try:
        with translated():
            return decode_json(path, path.read_bytes())
    except FileNotFoundError:
        return None


def decode_json(path: Path, content: bytes) -> Any:
    """Return what the JSON file at `path`, with this content, says. Raises Damaged."""
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise Damaged(f"{path.name} of {path.parent.name} is damaged: it is not JSON.") from exc


def remove_tree(folder: Path) -> None:
    """Remove a folder, if it exists; it is renamed first, so that it is never there in part."""
    doomed = folder.with_name(f".gone-{folder.name}-{secrets.token_hex(4)}")
    with translated():
        try:
            folder.rename(doomed)
        except FileNotFoundError:
            return
        shutil.rmtree(doomed, ignore_errors=True)


@contextmanager
def building(parent: Path) -> Iterator[Path]:
    """Give a new hidden folder in `parent` to fill. It is removed at the end, unless it was moved."""
    with translated():
        parent.mkdir(parents=True, exist_ok=True)
        folder = parent / f".new-{secrets.token_hex(8)}"
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def page_ids(ids: Sequence[str], *, after: str | None, newest_first: bool) -> list[str]:
    """Return the ids that follow `after` in this order. They come sorted by time."""
    ordered = reversed(ids) if newest_first else ids
    return [one for one in ordered if after is None or (one < after if newest_first else one > after)]


def list_ids(parent: Path) -> list[str]:
    """Return the names in `parent` that are not hidden, in order; ids sort by time."""
    with translated():
        try:
            return sorted(path.name for path in parent.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
