"""The key that signs sessions and forms: from the settings, or made once and kept on the volume for all hosts."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from shared.errors import VolumeUnavailable
from shared.settings import MIN_SECRET_CHARS, Settings
from shared.volume.files import translated

_FILE = "secret.key"


class SecretKey:
    """Gives the key; read or made when first asked for, so that a volume that is away doesn't stop the start."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._set = settings.secret_key
        self._folder = folder
        self._known: bytes | None = None

    def get(self) -> bytes:
        """Return the key. Raises VolumeUnavailable."""
        if self._known is None:
            self._known = self._set.get_secret_value().encode() if self._set is not None else _made_once(self._folder)
        return self._known


def _made_once(folder: Path) -> bytes:
    """Return the volume's key. Of several hosts that make one at the same time, one wins and all take its."""
    path = folder / _FILE
    with translated():
        try:
            return _read(path)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{_FILE}-{secrets.token_hex(4)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_hex(32).encode())
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):  # another host was quicker: its key holds
                os.link(temporary, path)
        finally:
            temporary.unlink()
        return _read(path)


def _read(path: Path) -> bytes:
    """Read the key, and make sure that it is one and its owner's alone. Raises VolumeUnavailable, OSError."""
    key = path.read_bytes()
    if len(key) < MIN_SECRET_CHARS:  # signing with nothing would let anybody sign
        raise VolumeUnavailable(
            f"{path.name} on the data volume is damaged. Remove it: a new one is made, and who is "
            "signed in must sign in again."
        )
    if stat.S_IMODE(path.stat().st_mode) & 0o077:  # put back from a copy, perhaps
        with suppress(PermissionError):
            path.chmod(0o600)
    return key
