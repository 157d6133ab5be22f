"""The seed document's file, `torch.save([state_dict, chars_to_int])`: writing it, and reading one that a stranger sent.

A stranger's file is never unpickled freely: torch's `weights_only` reader takes tensors and plain values alone, and
before it runs the zip directory is looked at, so that no small file fills the memory. Knows the classic recipe only.
"""

import os
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shared.errors import BadModelFile
from shared.text.vocabulary import Vocabulary
from worker.formats.archive import opened
from worker.nn.model import faults, shapes

#: Bytes that the pickled outline of a model may have; a vocabulary of a hundred thousand characters takes two million.
MAX_OUTLINE_BYTES = 32 << 20
#: The request's own limits (shared/requests/options.py): what Charloom couldn't have trained, it doesn't load.
MAX_HIDDEN, MAX_LAYERS, MAX_CHARACTERS = 4096, 8, 0x110000
#: What reading a file that only looks like a model may raise, in zipfile, torch and its unpickler.
READING_ERRORS = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    MemoryError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    RecursionError,
)


def write_document(path: Path, weights: Mapping[str, Tensor], vocabulary: Vocabulary) -> None:
    """Write a classic model as the seed document does; its own generation code reads it. Synced to the disk."""
    with path.open("wb") as file:
        torch.save([dict(weights), vocabulary.index], file)
        file.flush()
        os.fsync(file.fileno())


def read_document(path: Path) -> tuple[dict[str, Tensor], Vocabulary]:
    """Read a file in the seed document's format. Raises BadModelFile, saying what is wrong with it."""
    _look_at_directory(path)
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
    """Return (hidden_size, layers) of a classic state_dict. Raises BadModelFile where there are none, or too large."""
    first = weights.get("lstm.weight_hh_l0")
    if not isinstance(first, Tensor) or first.dim() != 2:
        raise BadModelFile("the state_dict is not that of a classic model: lstm.weight_hh_l0 is missing or no matrix")
    hidden = first.shape[1]
    layers = sum(1 for n in range(MAX_LAYERS + 1) if f"lstm.weight_hh_l{n}" in weights)
    if not 1 <= hidden <= MAX_HIDDEN or layers > MAX_LAYERS:
        raise BadModelFile(
            f"the model is too large: hidden size {hidden} (at most {MAX_HIDDEN}), "
            f"{layers} layers (at most {MAX_LAYERS})"
        )
    return hidden, layers


def vocabulary_from(chars_to_int: Mapping[Any, Any]) -> Vocabulary:
    """Return the vocabulary of a `chars_to_int`: single characters, each index of 0..V-1 once, in any order."""
    size = len(chars_to_int)
    if not 1 <= size <= MAX_CHARACTERS:
        raise BadModelFile(f"chars_to_int has {size} characters; at least 1 is needed")
    places: list[str | None] = [None] * size
    for character, index in chars_to_int.items():
        if not isinstance(character, str) or len(character) != 1:
            raise BadModelFile(f"chars_to_int must map single characters; {str(character)[:50]!r} is none")
        if type(index) is not int or not 0 <= index < size or places[index] is not None:
            raise BadModelFile(
                f"chars_to_int must number its {size} characters from 0 to {size - 1}, each once; "
                f"{character!r} has {str(index)[:50]}"
            )
        places[index] = character
    return Vocabulary("".join(place for place in places if place is not None))


def _look_at_directory(path: Path) -> None:
    """Refuse what isn't a zip file of stored members no larger than the file itself, with a small outline."""
    size = path.stat().st_size
    try:
        with opened(path) as archive:
            members = archive.infolist()
    except READING_ERRORS as error:
        raise BadModelFile(
            "the file is not one that torch.save has written (torch 1.6 and later), or it is cut short"
        ) from error
    if not any(member.filename.endswith("data.pkl") for member in members):
        raise BadModelFile("the file is a zip file, but not one that torch.save has written")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise BadModelFile("the file's parts are compressed; torch.save stores them plainly")
    if sum(member.file_size for member in members) > size:
        raise BadModelFile(f"the file says it holds more than the {size} bytes it has")
    if any(m.file_size > MAX_OUTLINE_BYTES for m in members if m.filename.endswith(".pkl")):
        raise BadModelFile(f"the file's outline is larger than {MAX_OUTLINE_BYTES} bytes")
