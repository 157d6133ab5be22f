"""Where the server is when nobody says: CHARLOOM_URL, else the service on the present data, else port 8000."""

from pathlib import Path

from charloom.client import DEFAULT_URL, named_url
from cli.service.lock import running_url
from shared.errors import SettingsError
from shared.settings import load


def server_url() -> str:
    """Return the server's address."""
    return named_url() or running_url(data_dir()) or DEFAULT_URL


def data_dir() -> Path:
    """Return the data directory that the settings name; where they are wrong, the usual one."""
    try:
        return load().data_dir.expanduser().resolve()
    except SettingsError:
        return Path("data").resolve()
