"""The key that signs sessions and forms: from the settings, or made once and kept on the volume for all hosts."""

import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from shared.errors import VolumeUnavailable
from shared.settings import MIN_SECRET_CHARS, Settings
from shared.volume.files import committed, translated

_FILE = "secret.key"


class SecretKey:
    """Gives the key. It is read or made on first use, so that an unavailable volume doesn't prevent the start."""

    def __init__(self, settings: Settings, folder: Path, *, check: Callable[[], None] = lambda: None) -> None:
        """Prepare to give it; `check` raises VolumeUnavailable unless the folder can be used."""
        self._check = check
        self._set = settings.secret_key
        self._folder = folder
        self._known: bytes | None = None

    def get(self) -> bytes:
        """Return the key. Raises VolumeUnavailable."""
        if self._known is None:
            if self._set is None:
                self._check()
            self._known = self._set.get_secret_value().encode() if self._set is not None else _made_once(self._folder)
        return self._known


def _made_once(folder: Path) -> bytes:
    """Return the volume's key. If several hosts make one at the same time, the first one's is the key of all."""
    path = folder / _FILE
    with translated():
        try:
            return _read(path)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError), committed(path, replace=False, mode=0o600) as temporary:
            temporary.write_text(secrets.token_hex(32), "ascii")
        return _read(path)


def _read(path: Path) -> bytes:
    """Read the key and check that it is one; make its file private. Raises VolumeUnavailable, OSError."""
    key = path.read_bytes()
    if len(key) < MIN_SECRET_CHARS:  # signing with nothing would let anybody sign
        raise VolumeUnavailable(
            f"{path.name} on the data volume is damaged. Remove it: a new one is made, and everyone who is signed in "
            "has to sign in again."
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:  # restored from a backup, perhaps
        with suppress(PermissionError):
            path.chmod(0o600)
    return key
