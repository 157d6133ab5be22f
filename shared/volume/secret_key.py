"""The key that signs sessions and forms: from the settings, or made once and kept on the volume for all hosts."""

import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shared.errors import VolumeUnavailable
from shared.setting_forms import MIN_SECRET_CHARS
from shared.settings import Settings
from shared.volume.shared_folder import SharedFolder

_FILE = "secret.key"


class SecretKey:
    """Gives the key. It is read or made on first use, so that an unavailable volume doesn't prevent the start."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        files: SharedFolder | None = None,
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare to give it; `check` raises VolumeUnavailable unless the folder can be used."""
        self._files = files or SharedFolder()
        self._check = check
        self._set = settings.secret_key
        self._folder = folder
        self._known: bytes | None = None

    def get(self) -> bytes:
        """Return the key. Raises VolumeUnavailable."""
        if self._known is None:
            if self._set is None:
                self._check()
            given = self._set
            self._known = given.get_secret_value().encode() if given else _made_once(self._files, self._folder / _FILE)
        return self._known


def _made_once(files: SharedFolder, path: Path) -> bytes:
    """Return the volume's key. If several hosts make one at the same time, the first one's is the key of all."""
    try:
        return _read(files, path)
    except FileNotFoundError:
        files.create(path, secrets.token_hex(32).encode("ascii"), mode=0o600)
        return _read(files, path)


def _read(files: SharedFolder, path: Path) -> bytes:
    """Read the key and check that it is one; make its file private. Raises VolumeUnavailable, OSError."""
    key = files.read(path)
    if len(key) < MIN_SECRET_CHARS:  # signing with nothing would let anybody sign
        raise VolumeUnavailable(
            f"{path.name} on the data volume is damaged. Remove it: a new one is made, and everyone who is signed in "
            "has to sign in again."
        )
    with suppress(FileNotFoundError, PermissionError):
        if stat.S_IMODE(path.stat().st_mode) & 0o077:  # restored from a backup, perhaps
            path.chmod(0o600)
    return key
