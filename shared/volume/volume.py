"""The whole volume, and a check that it can be used."""

import os
import secrets
from pathlib import Path

from shared.errors import VolumeUnavailable
from shared.settings import Settings
from shared.volume.corpora import Corpora
from shared.volume.files import translated
from shared.volume.job_folders import JobFolders
from shared.volume.mark import VolumeMark
from shared.volume.models import Models


class Volume:
    """All files that Charloom stores."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.corpora = Corpora(folder / "corpora")
        self.models = Models(folder / "models")
        self.jobs = JobFolders(folder / "jobs")
        self.mark = VolumeMark(folder)

    @classmethod
    def of(cls, settings: Settings) -> "Volume":
        """Make the volume of the settings. Nothing is written yet."""
        return cls(settings.data_dir.absolute())

    def check(self, *, synced: bool = False) -> None:
        """Raise VolumeUnavailable unless files can be written; `synced`: and reach the disk."""
        probe = self.folder / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
        with translated():
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError) as exc:
                raise VolumeUnavailable(f"The data volume can't be used: {self.folder.name} is not a folder.") from exc
            try:
                with probe.open("wb") as file:
                    file.write(b"ok")
                    if synced:
                        file.flush()
                        os.fsync(file.fileno())
            finally:
                probe.unlink(missing_ok=True)
