"""The seed document's file, `torch.save([state_dict, chars_to_int])`: writing it, and reading an untrusted one.

An uploaded file is never unpickled freely: torch's `weights_only` loader accepts tensors and plain values alone. Before
it runs, the zip directory and the pickle's opcodes are checked, so that no small file fills the memory. Knows the
classic recipe only.
"""

import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shared.errors import BadModelFile
from shared.text.vocabulary import Vocabulary
from shared.volume.files import committed
from worker.formats.archive import opened
from worker.formats.config import MAX_CHARACTERS
from worker.nn.model import faults, shapes

#: Opcodes and bytes that a character of the vocabulary may take in the pickle (three and 18 are needed), and that all
#: else may take (8 layers: 1,100 and 12,000).
MAX_CHARACTER_OPCODES, MAX_CHARACTER_BYTES = 4, 20
MAX_OTHER_OPCODES, MAX_OTHER_BYTES = 10_000, 1 << 20
#: Globals that a state_dict's pickle names, in addition to the storage types of torch.
_GLOBALS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
}
#: What reading a damaged file may raise, in zipfile, torch and its unpickler.
READING_ERRORS = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    RecursionError,
)


def write_document(path: Path, weights: Mapping[str, Tensor], vocabulary: Vocabulary) -> None:
    """Write a classic model as the seed document does; its own generation code reads it. Raises VolumeUnavailable."""
    with committed(path) as temporary, temporary.open("wb") as file:
        torch.save([dict(weights), vocabulary.index], file)


def read_document(path: Path) -> tuple[dict[str, Tensor], Vocabulary]:
    """Read a file in the seed document's format. Raises BadModelFile, saying what is wrong with it."""
    _check_outline(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadModelFile(
            "the file holds more than tensors and plain values; it was not read, since such a file can run code"
        ) from error
    except READING_ERRORS as error:
        raise BadModelFile(f"the file can't be read; it may be damaged ({type(error).__name__})") from error
    if not isinstance(content, list) or len(content) != 2 or not all(isinstance(part, dict) for part in content):
        raise BadModelFile("the file must hold a list of two dictionaries, [state_dict, chars_to_int]")
    weights, chars_to_int = content
    vocabulary = vocabulary_from(chars_to_int)
    hidden, layers = document_sizes(weights)
    wanted = shapes(vocab_size=len(vocabulary), hidden_size=hidden, layers=layers, embedding_size=0)
    if fault := faults(weights, wanted):
        raise BadModelFile(f"the state_dict is not that of a classic model: {fault}")
    return {name: weights[name].detach().clone() for name in wanted}, vocabulary


def document_sizes(weights: Mapping[Any, Any]) -> tuple[int, int]:
    """Return (hidden_size, layers) of a classic state_dict, whose limits are unchecked. Raises BadModelFile."""
    first = weights.get("lstm.weight_hh_l0")
    if not isinstance(first, Tensor) or first.dim() != 2:
        raise BadModelFile("the state_dict is not that of a classic model: lstm.weight_hh_l0 is missing or no matrix")
    return first.shape[1], sum(1 for n in range(len(weights)) if f"lstm.weight_hh_l{n}" in weights)


def vocabulary_from(chars_to_int: Mapping[Any, Any]) -> Vocabulary:
    """Return the vocabulary of a `chars_to_int`: single characters, each index of 0..V-1 once, in any order."""
    size = len(chars_to_int)
    if not size:
        raise BadModelFile("chars_to_int has no characters; at least 1 is needed")
    places: list[str | None] = [None] * size
    for character, index in chars_to_int.items():
        if not isinstance(character, str) or len(character) != 1 or "\ud800" <= character <= "\udfff":
            raise BadModelFile(f"chars_to_int must map single characters; {str(character)[:50]!r} isn't one")
        if type(index) is not int or not 0 <= index < size or places[index] is not None:
            raise BadModelFile(
                f"chars_to_int must number its {size} characters from 0 to {size - 1}, each once; "
                f"{character!r} has {str(index)[:50]}"
            )
        places[index] = character
    return Vocabulary("".join(place for place in places if place is not None))


def _check_outline(path: Path) -> None:
    """Refuse all but a zip file of stored members that fit into it, with a pickle that a state_dict could have."""
    size = path.stat().st_size
    try:
        with opened(path) as archive:
            members = archive.infolist()
            _check_members(members, size)
            for entry in members:
                if entry.filename.endswith(".pkl"):
                    _check_pickle(archive, entry, weights=(size - entry.file_size) // 4)
    except READING_ERRORS as error:
        raise BadModelFile(
            "the file is not one that torch.save has written (torch 1.6 and later), or it is truncated"
        ) from error


def _check_members(members: Sequence[zipfile.ZipInfo], size: int) -> None:
    if not any(entry.filename.endswith("data.pkl") for entry in members):
        raise BadModelFile("the file is a zip file, but not one that torch.save has written")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in members):
        raise BadModelFile("the file's members are compressed; torch.save doesn't compress them")
    if sum(entry.file_size for entry in members) > size:
        raise BadModelFile(f"by its directory the file holds more than the {size} bytes it has")


def _check_pickle(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, *, weights: int) -> None:
    """Refuse a pickle that makes more objects than a model with this many weights at most has, or other ones.

    A character has two weights or more. 31 MB of empty lists took 2.6 GB and 31 s; `bytearray`, which torch allows,
    takes as much as it is given.
    """
    characters = min(MAX_CHARACTERS, weights // 2)
    too_much = BadModelFile(f"the file's pickle makes more objects than a model of {weights} weights has")
    if entry.file_size > MAX_OTHER_BYTES + MAX_CHARACTER_BYTES * characters:
        raise too_much
    for count, (opcode, argument, _) in enumerate(pickletools.genops(archive.read(entry))):
        if count > MAX_OTHER_OPCODES + MAX_CHARACTER_OPCODES * characters:
            raise too_much
        if opcode.name == "GLOBAL" and argument not in _GLOBALS and not _is_storage(str(argument)):
            raise BadModelFile(
                f"the file holds more than tensors and plain values ({str(argument)[:100]}); it was not read, since "
                "such a file can run code"
            )


def _is_storage(name: str) -> bool:
    return re.fullmatch(r"torch \w+Storage", name) is not None
