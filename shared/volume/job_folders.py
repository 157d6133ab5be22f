"""The files of jobs: the request, an uploaded file, the training states of each attempt, the outcome.

Those of a generate job are not synced to the disk, which keeps it fast: its seed reproduces its text.

jobs/<id>/job.json          the request; written before the message is sent
jobs/<id>/upload            the file of an import or an extraction
jobs/<id>/t<token>/         one attempt's own: nobody else writes there
    state-<step>.safetensors, state.json (the manifest, last)
    model/, result.json     a model being built; the job's result, once it is complete
    corpus/                 a text being made
jobs/<id>/items.jsonl       the items that a generate job wrote (shared/volume/item_lists.py)
jobs/<id>/cancel.json       its end was requested while it ran
jobs/<id>/end.json          how it ends; written before the record says so

What a newer version wrote is left as it is: such a job is neither run nor restored here.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from shared.errors import Damaged, InvalidRequest, LeaseLost, TooLarge
from shared.ids import is_id
from shared.jobs.record import END_VERSION, VERSION, End, JobType, NewJob
from shared.versions import Version
from shared.volume.files import committed
from shared.volume.item_lists import Item, writing_items
from shared.volume.shared_folder import SharedFolder, T

log = logging.getLogger(__name__)

#: Of state.json, and of the training state that it names.
STATE_VERSION = Version(newest=1)
_CHUNK_BYTES = 1 << 20
#: An attempt's manifest, and the result of its job, next to the model that it has built.
_STATE, _RESULT = "state.json", "result.json"
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
    """state.json: the newest state of an attempt. In a bucket it is there before the first state, without a file."""

    file: str | None = None
    sha256: str = ""
    step: int = 0


_MANIFEST, _JOB, _END = TypeAdapter(_Manifest), TypeAdapter(NewJob), TypeAdapter(End)


class JobFolders:
    """The folder of jobs. Any method raises VolumeUnavailable."""

    def __init__(self, folder: Path, files: SharedFolder | None = None) -> None:
        self._folder, self._files = folder, files or SharedFolder()

    def create(self, job: NewJob, upload: BinaryIO | None = None, *, max_bytes: int = 0) -> None:
        """Commit the request, and the uploaded file before it. On an error nothing is left.

        Raises:
            TooLarge: the file has more than `max_bytes`.
            InvalidRequest: the file is empty.
        """
        folder = self._folder / job.id
        try:
            self._files.make_folder(folder)
            if upload is not None:
                _copy(upload, folder / "upload", max_bytes)
                self._files.keep(folder / "upload")
            synced = job.type is not JobType.GENERATE
            self._files.write_json(folder / "job.json", VERSION.stamp(asdict(job)), synced=synced)
            if synced:
                self._files.sync(self._folder)
        except BaseException:
            self._files.remove_tree(folder)
            raise

    def remove(self, job_id: str) -> None:
        """Remove all files of a job, if there are any."""
        if is_id(job_id, "job"):
            self._files.remove_tree(self._folder / job_id)

    def upload(self, job_id: str) -> Path:
        """Return the path of the uploaded file."""
        return self._files.local(self._folder / job_id / "upload")

    def drop_upload(self, job_id: str) -> None:
        """Remove the uploaded file."""
        self._files.remove(self._folder / job_id / "upload")

    def min_token(self, job_id: str) -> int:
        """Return the highest token that has written here, or 0: a new token must be higher."""
        return max(self._tokens(job_id), default=0)

    def open_attempt(self, job_id: str, token: int) -> Path:
        """Make the folder that only this token writes to; attempts with lower tokens save nothing from then on.

        In a shared folder the latter is left to the lease.

        Raises:
            LeaseLost: the token was used before, or a higher one.
        """
        folder = self._folder / job_id / f"t{token}"
        try:
            self._files.open_manifest(folder / _STATE)
        except FileExistsError as exc:
            raise LeaseLost(f"Token {token} of {job_id} has been used before") from exc
        others = [other for other in self._tokens(job_id) if other != token]
        if any(other > token for other in others):
            raise LeaseLost(f"{job_id} has a newer attempt than that with token {token}")
        self._files.close_manifests([folder.with_name(f"t{other}") / _STATE for other in others])
        return folder

    def commit_state(self, attempt: Path, state: SavedState) -> None:
        """Record the newest state of an attempt, whose file is written already, and remove the older ones.

        Raises LeaseLost where a newer attempt has begun and that can be noticed: see `open_attempt`.
        """
        self._files.keep(state.path)
        manifest = _Manifest(file=state.path.name, sha256=state.sha256, step=state.step)
        self._files.commit_manifest(attempt / _STATE, STATE_VERSION.stamp(asdict(manifest)))
        for name in self._files.list_ids(attempt):
            if name.startswith("state-") and name != state.path.name:
                self._files.remove(attempt / name)

    def states(self, job_id: str) -> list[SavedState]:
        """Return the states of a job, those of the newest token first. Their hashes are for the caller to check.

        Raises:
            NewerVersion: of one of them.
        """
        found = []
        for token in sorted(self._tokens(job_id), reverse=True):
            folder = self._folder / job_id / f"t{token}"
            manifest = self._find(folder / _STATE, _MANIFEST, STATE_VERSION)
            if manifest is not None and manifest.file is not None:
                found.append(SavedState(path=folder / manifest.file, sha256=manifest.sha256, step=manifest.step))
        return found

    def state_file(self, state: SavedState) -> Path:
        """Return the path of a state's file on this host; a missing one fails when it is opened."""
        return self._files.local(state.path)

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

    def can_continue(self, job_id: str) -> bool:
        """Return True if there is a state that a resumed training may continue from."""
        return any(self._files.exists(state.path) for _, state in self.states_of_line(job_id))

    def drop_attempts(self, job_id: str) -> None:
        """Remove the folders of all attempts."""
        for token in self._tokens(job_id):
            self._files.remove_tree(self._folder / job_id / f"t{token}")

    def built_model(self, job_id: str, token: int) -> Path:
        """Return the folder in which the attempt with this token builds its model."""
        return self._folder / job_id / f"t{token}" / "model"

    def keep_built(self, job_id: str, token: int, result: Mapping[str, Any]) -> None:
        """Keep the model that this attempt has built, and its job's result, so that any host can publish it."""
        built = self.built_model(job_id, token)
        self._files.keep_folder(built)
        self._files.write_json(built.parent / _RESULT, result)

    def built_result(self, job_id: str, token: int) -> Mapping[str, Any] | None:
        """Return the result that was kept with an attempt's model, or None. Raises Damaged."""
        found: Mapping[str, Any] | None = self._files.read_json(self._folder / job_id / f"t{token}" / _RESULT)
        return found

    def items(self, job_id: str) -> Path:
        """Return the path of the items that a job wrote."""
        return self._files.local(self._folder / job_id / "items.jsonl")

    @contextmanager
    def writing_items(self, job_id: str) -> Iterator[Callable[[Sequence[Item]], None]]:
        """Give a function that adds items; at the end commit all, or nothing on an error."""
        path = self._files.working_folder(self._folder / job_id) / "items.jsonl"
        with writing_items(path) as add:
            yield add
        self._files.keep(path)

    def end(self, job_id: str, end: End, *, synced: bool = True) -> None:
        """Commit how a job ends, before its record says so."""
        folder = self._folder / job_id
        if self._files.has_folder(folder):
            self._files.write_json(folder / "end.json", END_VERSION.stamp(asdict(end)), synced=synced)

    def request_cancel(self, job_id: str) -> None:
        """Record that somebody asked for the end of a running job."""
        folder = self._folder / job_id
        if self._files.has_folder(folder):
            self._files.write_json(folder / "cancel.json", {}, synced=False)

    def cancel_requested(self, job_id: str) -> bool:
        """Return True if `request_cancel` was called."""
        return self._files.read_json(self._folder / job_id / "cancel.json") is not None

    def asked(self, job_id: str) -> NewJob | None:
        """Return the request; None if there is none or if it is damaged. Raises NewerVersion."""
        return self._find(self._folder / job_id / "job.json", _JOB, VERSION)

    def built_models(self, job_id: str) -> list[Path]:
        """Return the complete models that attempts have built but not published, newest token first."""
        built = [self.built_model(job_id, token) for token in sorted(self._tokens(job_id), reverse=True)]
        return [folder for folder in built if self._files.exists(folder / "meta.json")]

    def ended(self, job_id: str) -> End | None:
        """Return how a job ended, or None. Raises Damaged, NewerVersion."""
        return self._files.read_record(self._folder / job_id / "end.json", _END, END_VERSION)

    def ended_ms(self, job_id: str) -> int:
        """Return when the end of an ended job was written, ms since 1970."""
        return self._files.modified_ms(self._folder / job_id / "end.json")

    def list_ids(self) -> list[str]:
        """Return the ids of all jobs that have files, oldest first."""
        return [name for name in self._files.list_ids(self._folder) if is_id(name, "job")]

    def _find(self, path: Path, kind: TypeAdapter[T], version: Version) -> T | None:
        """Read a file; None if it doesn't exist or is damaged, which is logged. Raises NewerVersion."""
        try:
            return self._files.read_record(path, kind, version)
        except Damaged as exc:
            log.error("%s", exc)
            return None

    def _tokens(self, job_id: str) -> list[int]:
        names = self._files.list_ids(self._folder / job_id) if is_id(job_id, "job") else []
        return [int(name[1:]) for name in names if name.startswith("t") and name[1:].isdigit()]


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
