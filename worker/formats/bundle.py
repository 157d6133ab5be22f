"""A model's files: what a training leaves in its folder, and reading a bundle that a stranger sent.

    weights.safetensors   float32, the names of worker/nn/model.py
    metrics.jsonl         one row of losses a line
    samples.jsonl         one sample a line
    document.pth          the seed document's own file (classic)
    bundle.zip            config.json and the first three: all that is needed to use the model elsewhere

The bundle holds no name or note that can be edited later, and the same model gives the same bytes.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from shared.errors import BadModelFile
from shared.requests.options import ClassicRequest, StreamRequest
from shared.requests.recipes import RECIPES
from shared.text.vocabulary import Vocabulary
from worker.formats.archive import opened
from worker.formats.document import (
    MAX_CHARACTERS,
    MAX_HIDDEN,
    MAX_LAYERS,
    READING_ERRORS,
    document_sizes,
    read_document,
    vocabulary_from,
    write_document,
)
from worker.generation.loaded import LoadedModel, Sizes, assemble
from worker.nn.model import faults, shapes
from worker.training.events import Losses, MetricRow, SampleRow, row

FORMAT, VERSION = "charloom-model", 1
WEIGHTS, METRICS, SAMPLES, CONFIG = "weights.safetensors", "metrics.jsonl", "samples.jsonl", "config.json"
BUNDLE, DOCUMENT = "bundle.zip", "document.pth"
#: Format -> file.
FILES = {"bundle": BUNDLE, "pth": DOCUMENT}
#: Bytes that the parts beside the weights may have.
MAX_CONFIG_BYTES, MAX_ROWS_BYTES, MAX_HEADER_BYTES = 16 << 20, 64 << 20, 1 << 20
#: How many times as large the weights may become when they are unpacked: numbers that mean something hardly do.
MAX_PACKING = 10
#: Embedding and window lengths that a request may have (shared/requests/options.py).
MAX_EMBEDDING, MAX_SEQ_LENGTH = 1024, 2048
#: What the document's format doesn't tell: the window it was trained on.
DOCUMENT_SEQ_LENGTH = 100
#: Options that are names, notes, addresses or ids of the house that made the model.
_NOT_SHARED = {"corpus_id", "init_from", "name", "metadata", "webhook"}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold


@dataclass(frozen=True, kw_only=True)
class ReadModel:
    """A model read from a file and checked."""

    sizes: Sizes
    vocabulary: Vocabulary
    weights: Mapping[str, Tensor]
    params: Mapping[str, Any]
    #: As far as known.
    losses: Losses
    metrics: tuple[MetricRow, ...]
    samples: tuple[SampleRow, ...]


def sizes_of(params: Mapping[str, Any]) -> Sizes:
    """Return the sizes among a training's options. Raises BadModelFile where one is missing or impossible."""
    name = params.get("recipe")
    recipe = RECIPES.get(name) if isinstance(name, str) else None
    if recipe is None:
        raise BadModelFile(f'recipe must be "stream" or "classic", not {str(name)[:50]!r}')
    limits = {
        "hidden_size": (1, MAX_HIDDEN),
        "layers": (1, MAX_LAYERS),
        "seq_length": (1, MAX_SEQ_LENGTH),
        "embedding_size": (1, MAX_EMBEDDING) if recipe.has_embedding else (0, 0),
    }
    found: dict[str, int] = {}
    for size, (least, most) in limits.items():
        value = params.get(size)
        if type(value) is not int or not least <= value <= most:
            raise BadModelFile(f"{size} must be {least} to {most}, not {str(value)[:50]}")
        found[size] = value
    if type(lowercase := params.get("lowercase")) is not bool:
        raise BadModelFile(f"lowercase must be true or false, not {str(lowercase)[:50]}")
    return Sizes(recipe=recipe.name, lowercase=lowercase, **found)


def write_model(
    folder: Path,
    *,
    params: Mapping[str, Any],
    vocabulary: Vocabulary,
    weights: Mapping[str, Tensor],
    losses: Losses,
    metrics: Iterable[MetricRow] = (),
    samples: Iterable[SampleRow] = (),
) -> dict[str, dict[str, Any]]:
    """Write a model's files into an existing folder and describe those to download.

    Arguments:
        folder: empty. Its files are synced to the disk; its final name, and syncing its parent, are the caller's.
        params: the training's options; `sizes_of` must find its sizes in them. Names and addresses are left out.
        vocabulary: the characters that the weights know.
        weights: by the names of worker/nn/model.py, float32.
        losses: the best epoch's.
        metrics: rows of losses, oldest first.
        samples: rows of samples, oldest first.

    Returns `{"bundle": {"name": str, "bytes": int, "sha256": str}, "pth": {…}}`, the latter for classic models.
    """
    sizes = sizes_of(params)
    parts = {
        WEIGHTS: save_tensors({name: value.contiguous() for name, value in weights.items()}),
        METRICS: _lines(metrics),
        SAMPLES: _lines(samples),
    }
    config = {
        "format": FORMAT,
        "version": VERSION,
        **asdict(sizes),
        "vocabulary": list(vocabulary.characters),
        "params": _options(params),
        "losses": asdict(losses),
    }
    for name, content in parts.items():
        _write(folder / name, content)
    if "pth" in sizes.kind.formats:
        write_document(folder / DOCUMENT, weights, vocabulary)
    with (folder / BUNDLE).open("wb") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in {CONFIG: _json(config), **parts}.items():
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(folder)
    return {kind: _described(folder / FILES[kind]) for kind in sizes.kind.formats}


def read_bundle(path: Path) -> ReadModel:
    """Read a bundle that anyone may have made. Raises BadModelFile, saying what is wrong with it."""
    try:
        with opened(path) as archive:
            return _read_members(archive)
    except BadModelFile:
        raise
    except (*READING_ERRORS, SafetensorError) as error:
        what = type(error).__name__
        raise BadModelFile(f"the file can't be read as a bundle; it may be damaged ({what})") from error


def read_upload(path: Path) -> ReadModel:
    """Read an uploaded model, a bundle or the seed document's file, whichever it is. Raises BadModelFile."""
    try:
        with opened(path) as archive:
            bundle = CONFIG in archive.namelist()
    except READING_ERRORS as error:
        raise BadModelFile(
            "the file is neither a bundle nor one that torch.save has written, or it is cut short"
        ) from error
    if bundle:
        return read_bundle(path)
    weights, vocabulary = read_document(path)
    hidden, layers = document_sizes(weights)
    characters = vocabulary.characters
    params = {
        "recipe": "classic",
        "hidden_size": hidden,
        "layers": layers,
        "embedding_size": 0,
        "seq_length": DOCUMENT_SEQ_LENGTH,
        "lowercase": characters == characters.lower(),
    }
    return ReadModel(
        sizes=sizes_of(params),
        vocabulary=vocabulary,
        weights=weights,
        params=params,
        losses=Losses(),
        metrics=(),
        samples=(),
    )


def load_model(folder: Path) -> LoadedModel:
    """Load a model from its folder, as `write_model` made it. Raises BadModelFile where a file is damaged."""
    read = read_bundle(folder / BUNDLE)
    return assemble(read.sizes, read.vocabulary, read.weights, read.params)


def _read_members(archive: zipfile.ZipFile) -> ReadModel:
    names = archive.namelist()
    if extra := sorted(set(names) - {CONFIG, WEIGHTS, METRICS, SAMPLES}):
        raise BadModelFile(f"the bundle holds {extra[0][:100]!r}, which has no place in it")
    if len(names) != len(set(names)):
        raise BadModelFile("the bundle holds two parts of one name")
    if missing := sorted({CONFIG, WEIGHTS} - set(names)):
        raise BadModelFile(f"the bundle lacks {missing[0]}")
    config = json.loads(_member(archive, CONFIG, MAX_CONFIG_BYTES))
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise BadModelFile("config.json is not that of a Charloom model")
    if config.get("version") != VERSION:
        version = str(config.get("version"))[:20]
        raise BadModelFile(f"the bundle has format version {version}; this Charloom reads version {VERSION}")
    sizes = sizes_of(config)
    listed, params, losses = (config.get(name) for name in ("vocabulary", "params", "losses"))
    if not isinstance(listed, list) or not isinstance(params, dict) or not isinstance(losses, dict):
        raise BadModelFile('config.json lacks a list "vocabulary" or the objects "params" and "losses"')
    if len(listed) > MAX_CHARACTERS or len(set(map(str, listed))) != len(listed):
        raise BadModelFile("config.json's vocabulary names a character twice")
    vocabulary = vocabulary_from({character: index for index, character in enumerate(listed)})
    wanted = shapes(
        vocab_size=len(vocabulary),
        hidden_size=sizes.hidden_size,
        layers=sizes.layers,
        embedding_size=sizes.embedding_size,
    )
    needed = 4 * sum(_product(shape) for shape in wanted.values())
    weights = load_tensors(_member(archive, WEIGHTS, needed + MAX_HEADER_BYTES, most_packing=MAX_PACKING))
    if fault := faults(weights, wanted):
        raise BadModelFile(f"the weights are not those that config.json describes: {fault}")
    metrics, samples = (_rows(archive, name) if name in names else [] for name in (METRICS, SAMPLES))
    return ReadModel(
        sizes=sizes,
        vocabulary=vocabulary,
        weights=weights,
        params=_options(params) | asdict(sizes),
        losses=_losses(losses),
        metrics=tuple(MetricRow(**values) for values in metrics),
        samples=tuple(SampleRow(**values) for values in samples),
    )


def _member(archive: zipfile.ZipFile, name: str, most: int, *, most_packing: int | None = None) -> bytes:
    """Read one part, of which no more than `most` bytes are ever unpacked, and `most_packing` times its packed size."""
    packed = archive.getinfo(name)
    if (size := packed.file_size) > most:
        raise BadModelFile(f"{name} has {size} bytes; at most {most} are needed")
    if most_packing is not None and size > most_packing * max(1, packed.compress_size):
        raise BadModelFile(f"{name} would unpack from {packed.compress_size} bytes to {size}; a model's numbers don't")
    with archive.open(name) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise BadModelFile(f"{name} is larger than its entry says")
    return content


def _rows(archive: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in _member(archive, name, MAX_ROWS_BYTES).decode().split("\n") if line]
    if not all(isinstance(values, dict) for values in rows):
        raise BadModelFile(f"each line of {name} must be an object")
    return rows


def _losses(values: Mapping[str, Any]) -> Losses:
    numbers = {name: values.get(name) for name in Losses.__dataclass_fields__}
    if not all(value is None or type(value) in (int, float) for value in numbers.values()):
        raise BadModelFile("config.json's losses must be numbers")
    return Losses(**numbers)


def _lines(records: Iterable[MetricRow | SampleRow]) -> bytes:
    return b"".join(_json(row(record)) + b"\n" for record in records)


def _json(value: object) -> bytes:
    # ASCII: a lone surrogate, which a text may hold, is then a character like any other.
    return json.dumps(value, allow_nan=False).encode("ascii")


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a training that are no one's secret and can't be edited later."""
    known = (StreamRequest.model_fields | ClassicRequest.model_fields).keys() - _NOT_SHARED
    return {
        name: value
        for name, value in params.items()
        if name in known and (value is None or isinstance(value, (bool, int, float)) or len(str(value)) < 100)
    }
