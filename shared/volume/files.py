"""Files are committed, not written: a temporary one beside the target, fsync, rename, fsync of the folder."""

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.errors import VolumeUnavailable

#: Errors that the volume's owner must mend; the words to say.
_TROUBLES = {
    errno.ENOSPC: "the disk is full; free some space (delete models or corpora that nobody needs)",
    errno.EDQUOT: "the disk quota is used up; free some space (delete models or corpora that nobody needs)",
    errno.EROFS: "it is mounted read-only",
    errno.EACCES: "this user may not write there",
    errno.EPERM: "this user may not write there",
    errno.EIO: "the disk reports an input/output error",
    errno.ESTALE: "the network file system lost the file",
}


@contextmanager
def translated() -> Iterator[None]:
    """Turn an OSError that is the volume's trouble into `VolumeUnavailable`; others pass."""
    try:
        yield
    except OSError as exc:
        if exc.errno in _TROUBLES:
            raise VolumeUnavailable(f"The data volume can't be used now: {_TROUBLES[exc.errno]}.") from exc
        raise


def sync_folder(folder: Path) -> None:
    """Make a folder's entries last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any, *, synced: bool = True) -> None:
    """Commit a JSON file. Raises VolumeUnavailable; the old file stands then, and nothing is left behind.

    Unsynced it takes a tenth of a millisecond instead of many; only a failing host can lose it then, no dying process.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with translated():
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(value, file, ensure_ascii=False, indent=1, allow_nan=False)
                file.flush()
                if synced:
                    os.fsync(file.fileno())
            temporary.replace(path)
            if synced:
                sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """Read a JSON file; None where there is none."""
    try:
        with translated():
            return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None


def remove_tree(folder: Path) -> None:
    """Remove a folder so that it is either there whole or gone: renamed first. None there is fine."""
    doomed = folder.with_name(f".gone-{folder.name}-{secrets.token_hex(4)}")
    with translated():
        try:
            folder.rename(doomed)
        except FileNotFoundError:
            return
        shutil.rmtree(doomed, ignore_errors=True)


@contextmanager
def building(parent: Path) -> Iterator[Path]:
    """Give a new hidden folder in `parent` to fill; what is still there at the end is removed."""
    with translated():
        parent.mkdir(parents=True, exist_ok=True)
        folder = parent / f".new-{secrets.token_hex(8)}"
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def page_ids(ids: list[str], *, after: str | None, newest_first: bool) -> list[str]:
    """Return those of the ids, which ascend by time, that follow `after` in this order."""
    ordered = reversed(ids) if newest_first else ids
    return [one for one in ordered if after is None or (one < after if newest_first else one > after)]


def list_ids(parent: Path) -> list[str]:
    """Return the names in `parent` that are not hidden, in order; ids sort by time."""
    with translated():
        try:
            return sorted(path.name for path in parent.iterdir() if not path.name.startswith("."))
        except FileNotFoundError:
            return []
