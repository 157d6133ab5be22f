"""Everything that determines a training's next step, and the file it is saved in. Knows no recipe.

The file is safetensors: the tensors as they are, the facts as JSON in its metadata.
"""

import errno
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from shared.errors import CharloomError
from shared.volume.files import committed

_KEY = "charloom_training_state"


class StateFileDamaged(CharloomError):
    """The training state's file is truncated or modified; an older one has to be used."""

    code = "state_file_damaged"


@dataclass(frozen=True, kw_only=True)
class TrainState:
    """A training between two steps. Its tensors are copies, which later steps don't change."""

    #: Weights `model.…`, optimizer `adam.…` and `muon.…`, best weights `best.…`, carried state `carried.…`, flat names.
    tensors: Mapping[str, Tensor]
    #: Everything else, such as the position in the data, as JSON values.
    facts: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with `prefix` and a dot, without that prefix."""
        return {k[len(prefix) + 1 :]: v for k, v in self.tensors.items() if k.startswith(prefix + ".")}


def save_state(path: Path, state: TrainState) -> str:
    """Commit the state to `path` and return the file's sha256. Raises VolumeUnavailable, OSError."""
    with committed(path) as temporary:
        try:
            save_file(dict(state.tensors), temporary, metadata={_KEY: json.dumps(state.facts, allow_nan=False)})
        except SafetensorError as error:
            # Only the message has the error number, which distinguishes a full disk from other errors.
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, f"the state couldn't be written: {error}") from error
        with temporary.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def load_state(path: Path, sha256: str) -> TrainState:
    """Read the state at `path`. Raises StateFileDamaged unless the file is, byte for byte, the one with that sha256."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StateFileDamaged(f"{path.name} can't be read: {error.strerror}") from error
    if digest != sha256:
        raise StateFileDamaged(f"{path.name} is truncated or modified: its sha256 is {digest}, not {sha256}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            facts = json.loads((file.metadata() or {})[_KEY])
            # Cloned, since the tensor is a view of the mapped file, which may be replaced or deleted later.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no dict
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise StateFileDamaged(f"{path.name} is not a training state: {error}") from error
    return TrainState(tensors=tensors, facts=facts)
