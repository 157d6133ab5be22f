"""The whole volume, and a check that it can be used."""

from pathlib import Path

from shared.errors import SettingsError
from shared.settings import Settings
from shared.volume.corpora import Corpora
from shared.volume.job_folders import JobFolders
from shared.volume.mark import VolumeMark
from shared.volume.models import Models
from shared.volume.shared_folder import SharedFolder


class Volume:
    """All files that Charloom stores."""

    def __init__(self, folder: Path, files: SharedFolder | None = None) -> None:
        """Take a folder as the volume, or, with another way to keep files, as this host's part of it."""
        self.folder = folder
        self.files = files or SharedFolder()
        self.corpora = Corpora(folder / "corpora", self.files)
        self.models = Models(folder / "models", self.files)
        self.jobs = JobFolders(folder / "jobs", self.files)
        self.mark = VolumeMark(folder, self.files)

    @classmethod
    def of(cls, settings: Settings) -> "Volume":
        """Make the volume of the settings. Nothing is written yet."""
        folder = settings.data_dir.absolute()
        if settings.volume_url is None:
            return cls(folder)
        try:
            from shared.volume.bucket import Bucket  # noqa: PLC0415  (loads botocore, which isn't always installed)
        except ImportError as exc:
            raise SettingsError('CHARLOOM_VOLUME_URL needs botocore: pip install "charloom[s3]"') from exc

        folder /= "bucket"
        return cls(folder, Bucket.of(settings.volume_url, folder))

    def check(self, *, synced: bool = False) -> None:
        """Raise VolumeUnavailable unless files can be written; `synced`: and reach the disk."""
        self.files.check(self.folder, synced=synced)
