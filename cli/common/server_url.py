"""The server's address when --url isn't given, and the data directory."""

from pathlib import Path

from charloom.client import DEFAULT_URL, named_url
from cli.service.lock import running_url
from shared.errors import SettingsError
from shared.settings import load


def server_url() -> str:
    """Return CHARLOOM_URL, or else the address of the service that runs on the data directory, or else port 8000."""
    return named_url() or running_url(data_dir()) or DEFAULT_URL


def volume_url() -> str | None:
    """Return the bucket that is the volume, None: it is the data directory."""
    try:
        return load().volume_url
    except SettingsError:
        return None


def data_dir() -> Path:
    """Return the data directory of the settings, or the default one if a setting is invalid."""
    try:
        return load().data_dir.expanduser().resolve()
    except SettingsError:
        return Path("data").resolve()
