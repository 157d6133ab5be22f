"""The files of jobs: the request, an uploaded file, the training states of each attempt, the outcome.

Those of a generate job are not synced to the disk, which keeps it fast: its seed reproduces its text.

jobs/<id>/job.json          the request; written before the message is sent
jobs/<id>/upload            the file of an import or an extraction
jobs/<id>/t<token>/         one attempt's own: nobody else writes there
    state-<step>.safetensors, state.json (the manifest, last)
    model/                  a model being built
    corpus/                 a text being made
jobs/<id>/items.jsonl       the items that a generate job wrote (shared/volume/item_lists.py)
jobs/<id>/cancel.json       its end was requested while it ran
jobs/<id>/end.json          how it ends; written before the record says so

What a newer version wrote is left as it is: such a job is neither run nor restored here.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import TypeAdapter

from shared.errors import Damaged, InvalidRequest, LeaseLost, TooLarge
from shared.ids import is_id
from shared.jobs.record import END_VERSION, VERSION, JobType, NewJob
from shared.versions import Version
from shared.volume.files import (
    committed,
    list_ids,
    read_json,
    read_record,
    remove_tree,
    sync_folder,
    translated,
    write_json,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Of state.json, and of the training state that it names.
STATE_VERSION = Version(newest=1)
_CHUNK_BYTES = 1 << 20
#: Jobs that are searched for a state, each one the resumption of the next.
LONGEST_LINE = 16


@dataclass(frozen=True, kw_only=True)
class SavedState:
    """One training state on the volume."""

    path: Path
    sha256: str
    step: int


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    """state.json: the newest state of an attempt."""

    file: str
    sha256: str
    step: int


_MANIFEST, _JOB = TypeAdapter(_Manifest), TypeAdapter(NewJob)


class JobFolders:
    """The folder of jobs. Any method raises VolumeUnavailable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, job: NewJob, upload: BinaryIO | None = None, *, max_bytes: int = 0) -> None:
        """Commit the request, and the uploaded file before it. On an error nothing is left.

        Raises:
            TooLarge: the file has more than `max_bytes`.
            InvalidRequest: the file is empty.
        """
        folder = self._folder / job.id
        try:
            with translated():
                folder.mkdir(parents=True)
                if upload is not None:
                    _copy(upload, folder / "upload", max_bytes)
            synced = job.type is not JobType.GENERATE
            write_json(folder / "job.json", VERSION.stamp(asdict(job)), synced=synced)
            if synced:
                with translated():
                    sync_folder(self._folder)
        except BaseException:
            remove_tree(folder)
            raise

    def remove(self, job_id: str) -> None:
        """Remove all files of a job, if there are any."""
        if is_id(job_id, "job"):
            remove_tree(self._folder / job_id)

    def upload(self, job_id: str) -> Path:
        """Return the path of the uploaded file."""
        return self._folder / job_id / "upload"

    def drop_upload(self, job_id: str) -> None:
        """Remove the uploaded file."""
        with translated():
            (self._folder / job_id / "upload").unlink(missing_ok=True)

    def min_token(self, job_id: str) -> int:
        """Return the highest token that has written here, or 0: a new token must be higher."""
        return max(self._tokens(job_id), default=0)

    def open_attempt(self, job_id: str, token: int) -> Path:
        """Make the folder that only this token writes to. Raises LeaseLost where the token was used before."""
        folder = self._folder / job_id / f"t{token}"
        try:
            with translated():
                folder.mkdir(parents=True)
                sync_folder(folder.parent)
        except FileExistsError as exc:
            raise LeaseLost(f"Token {token} of {job_id} has been used before") from exc
        return folder

    def commit_state(self, attempt: Path, state: SavedState) -> None:
        """Record the newest state of an attempt, whose file is written already, and remove the older ones."""
        manifest = {"file": state.path.name, "sha256": state.sha256, "step": state.step}
        write_json(attempt / "state.json", STATE_VERSION.stamp(manifest))
        with translated():
            for old in attempt.glob("state-*.safetensors"):
                if old.name != state.path.name:
                    old.unlink(missing_ok=True)

    def states(self, job_id: str) -> list[SavedState]:
        """Return the states of a job, those of the newest token first. Their hashes are for the caller to check.

        Raises:
            NewerVersion: of one of them.
        """
        found = []
        for token in sorted(self._tokens(job_id), reverse=True):
            folder = self._folder / job_id / f"t{token}"
            manifest = _find(folder / "state.json", _MANIFEST, STATE_VERSION)
            if manifest is not None:
                found.append(SavedState(path=folder / manifest.file, sha256=manifest.sha256, step=manifest.step))
        return found

    def states_of_line(self, job_id: str) -> list[tuple[str, SavedState]]:
        """Return the states that a training may continue from, with their jobs: its own, then those of its parents.

        Newest first within each job. At most `LONGEST_LINE` jobs are searched. Raises NewerVersion.
        """
        found: list[tuple[str, SavedState]] = []
        for _ in range(LONGEST_LINE):
            found += [(job_id, state) for state in self.states(job_id)]
            job = self.asked(job_id)
            if job is None or job.parent_id is None:
                break
            job_id = job.parent_id
        return found

    def drop_attempts(self, job_id: str) -> None:
        """Remove the folders of all attempts."""
        for token in self._tokens(job_id):
            remove_tree(self._folder / job_id / f"t{token}")

    def built_model(self, job_id: str, token: int) -> Path:
        """Return the folder in which the attempt with this token builds its model."""
        return self._folder / job_id / f"t{token}" / "model"

    def items(self, job_id: str) -> Path:
        """Return the path of the items that a job wrote."""
        return self._folder / job_id / "items.jsonl"

    def end(self, job_id: str, outcome: Mapping[str, Any], *, synced: bool = True) -> None:
        """Commit how a job ends, before its record says so."""
        folder = self._folder / job_id
        if folder.is_dir():
            write_json(folder / "end.json", END_VERSION.stamp(outcome), synced=synced)

    def request_cancel(self, job_id: str) -> None:
        """Record that somebody asked for the end of a running job."""
        folder = self._folder / job_id
        if folder.is_dir():
            write_json(folder / "cancel.json", {}, synced=False)

    def cancel_requested(self, job_id: str) -> bool:
        """Return True if somebody did."""
        return read_json(self._folder / job_id / "cancel.json") is not None

    def asked(self, job_id: str) -> NewJob | None:
        """Return the request; None if there is none or if it is damaged. Raises NewerVersion."""
        return _find(self._folder / job_id / "job.json", _JOB, VERSION)

    def built_models(self, job_id: str) -> list[Path]:
        """Return the complete models that attempts have built but not published, newest token first."""
        built = [self.built_model(job_id, token) for token in sorted(self._tokens(job_id), reverse=True)]
        return [folder for folder in built if (folder / "meta.json").exists()]

    def ended(self, job_id: str) -> Mapping[str, Any] | None:
        """Return how a job ended, or None. Raises Damaged, NewerVersion."""
        found: Mapping[str, Any] | None = read_json(self._folder / job_id / "end.json")
        END_VERSION.check(found, f"end.json of {job_id}")
        return found

    def ended_ms(self, job_id: str) -> int:
        """Return when the end of an ended job was written, ms since 1970."""
        with translated():
            return round((self._folder / job_id / "end.json").stat().st_mtime * 1000)

    def list_ids(self) -> list[str]:
        """Return the ids of all jobs that have files, oldest first."""
        return [name for name in list_ids(self._folder) if is_id(name, "job")]

    def _tokens(self, job_id: str) -> list[int]:
        names = list_ids(self._folder / job_id) if is_id(job_id, "job") else []
        return [int(name[1:]) for name in names if name.startswith("t") and name[1:].isdigit()]


def _find(path: Path, kind: TypeAdapter[T], version: Version) -> T | None:
    """Read a file; None if it doesn't exist or is damaged, which is logged. Raises NewerVersion."""
    try:
        return read_record(path, kind, version)
    except Damaged as exc:
        log.error("%s", exc)
        return None


def _copy(stream: BinaryIO, path: Path, max_bytes: int) -> None:
    size = 0
    with committed(path) as temporary, temporary.open("wb") as file:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge(f"The file is larger than {max_bytes:,} bytes, the most that is accepted here.")
            file.write(chunk)
    if size == 0:
        raise InvalidRequest.at("/file", "The file is empty. Send a model's bundle.zip, or the document's .pth file.")
