"""Copies a volume while it is used, so that every job in the copy can continue, or has ended.

Files are committed by a rename and never change afterwards, so each is copied whole. What may happen between two files
is that a training commits a newer state and removes the one that the copied manifest names: then the job is copied
again. Redis needs no backup: its records are rebuilt from the volume.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shared.volume.files import list_ids, translated
from shared.volume.mark import FILE
from shared.volume.volume import Volume

#: Files and folders of the volume. What else is in a data directory (logs, a Valkey of its own) isn't copied.
_PARTS = (FILE, "secret.key", "corpora", "models", "jobs")
#: The one hidden folder that isn't temporary.
_KEPT = ".by-sha256"
#: How often a job is copied again that changes meanwhile.
_TRIES = 10
#: Of a file that is being copied.
_SUFFIX = ".copying"


@dataclass
class Copied:
    """What a backup did."""

    files: int = 0
    bytes: int = 0
    #: Files that the copy had already.
    unchanged: int = 0
    #: Files that were removed from the copy, since they were deleted.
    removed: int = 0


def back_up(volume: Volume, target: Path) -> Copied:
    """Make `target` a copy of the volume; a later backup to it copies only what has changed.

    Raises:
        VolumeUnavailable: the volume can't be read, or the target can't be written.
    """
    done = Copied()
    copy = Volume(target)
    with translated():
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in _PARTS:
            if name != "jobs":
                _mirror(volume.folder / name, target / name, done)
        for job_id in list_ids(volume.folder / "jobs"):
            for _ in range(_TRIES):
                _mirror(volume.folder / "jobs" / job_id, target / "jobs" / job_id, done)
                if all(state.path.is_file() for state in copy.jobs.states(job_id)):
                    break
        for job_id in set(list_ids(target / "jobs")) - set(list_ids(volume.folder / "jobs")):
            _remove(target / "jobs" / job_id, done)
    return done


def _mirror(source: Path, target: Path, done: Copied) -> None:
    """Make one file or folder like its source. What vanishes meanwhile is left out."""
    with suppress(FileNotFoundError):
        if source.is_dir():
            names = {path.name for path in source.iterdir() if not path.name.startswith(".") or path.name == _KEPT}
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name in sorted(names):
                _mirror(source / name, target / name, done)
            for path in _others(target, names):
                _remove(path, done)
        elif source.exists():
            _copy(source, target, done)


def _copy(source: Path, target: Path, done: Copied) -> None:
    facts = source.stat()
    if target.exists():
        known = target.stat()
        if (known.st_size, known.st_mtime_ns) == (facts.st_size, facts.st_mtime_ns):
            done.unchanged += 1
            return
    temporary = target.with_name(f".{target.name}{_SUFFIX}")
    shutil.copy2(source, temporary)
    temporary.replace(target)
    done.files += 1
    done.bytes += facts.st_size


def _others(folder: Path, names: set[str]) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.name not in names)


def _remove(path: Path, done: Copied) -> None:
    done.removed += 1
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
