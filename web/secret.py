"""The key that signs the forms' tokens: from the settings, or made once and kept on the volume for all hosts."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from shared.settings import Settings
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
            return path.read_bytes()
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
        return path.read_bytes()
