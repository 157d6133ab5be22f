"""A model's files: writing those of a new model, and reading an untrusted bundle.

    weights.safetensors   float32, the names of worker/nn/model.py
    metrics.jsonl         a row of losses per line
    samples.jsonl         a sample per line
    document.pth          the seed document's own file (classic)
    bundle.zip            config.json and the first three: all that is needed to use the model elsewhere

The bundle holds no name or note that can be edited later, and the same model gives the same bytes.
"""

import hashlib
import json
import math
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from shared.errors import BadModelFile
from shared.jobs import rows
from shared.jobs.record import StartingPoint
from shared.jobs.rows import MetricRow, ModelLosses, SampleRow
from shared.text.items import ModelItems
from shared.text.vocabulary import Vocabulary
from shared.volume.files import committed
from worker.formats.archive import checked, lines, opened, read
from worker.formats.config import PRIVATE, VERSION, read_config, sizes_of
from worker.formats.document import READING_ERRORS, document_sizes, read_document, write_document
from worker.generation.loaded import LoadedModel, Sizes, assemble
from worker.nn.model import faults, shapes
from worker.training.events import row

FORMAT = "charloom-model"
WEIGHTS, METRICS, SAMPLES, CONFIG = "weights.safetensors", "metrics.jsonl", "samples.jsonl", "config.json"
BUNDLE, DOCUMENT = "bundle.zip", "document.pth"
#: Format -> file.
FILES = {"bundle": BUNDLE, "pth": DOCUMENT}
#: Bytes of the members, unpacked; of the weights', all that isn't a weight.
MAX_CONFIG_BYTES, MAX_ROWS_BYTES, MAX_HEADER_BYTES = 16 << 20, 64 << 20, 1 << 20
#: How many times as large a member may become when it is unpacked. Charloom's own aren't packed; zipped again, weights
#: shrink by a tenth, by half where they were rounded to bfloat16, and rows to a fifth; zeros shrink a thousandfold.
MAX_RATIO_OF_WEIGHTS, MAX_RATIO = 3, 50
#: What the document's format doesn't say: the window that the model was trained on.
DOCUMENT_SEQ_LENGTH = 100
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip file can hold


@dataclass(frozen=True, kw_only=True)
class ReadModel:
    """A model read from a file and checked."""

    sizes: Sizes
    vocabulary: Vocabulary
    weights: Mapping[str, Tensor]
    params: Mapping[str, Any]
    #: As far as known.
    losses: ModelLosses
    metrics: tuple[MetricRow, ...]
    samples: tuple[SampleRow, ...]
    #: The list that it was trained on.
    items: ModelItems | None = None
    #: Of its corpus; None if they aren't known.
    longest_runs: Mapping[str, int] | None = None


def write_model(
    folder: Path,
    *,
    params: Mapping[str, Any],
    vocabulary: Vocabulary,
    weights: Mapping[str, Tensor],
    losses: ModelLosses,
    metrics: Iterable[MetricRow] = (),
    samples: Iterable[SampleRow] = (),
    items: ModelItems | None = None,
    starting_point: StartingPoint | None = None,
    longest_runs: Mapping[str, int] | None = None,
) -> dict[str, dict[str, Any]]:
    """Write a model's files and describe those to download.

    Args:
        folder: where to write them. Its own name isn't synced.
        params: the training's options, the sizes among them. Names and addresses are left out of the bundle.
        vocabulary: the model's characters.
        weights: by the names of worker/nn/model.py, float32.
        losses: the best epoch's.
        metrics: rows of losses, oldest first.
        samples: rows of samples, oldest first.
        items: the list that it was trained on, if it was one.
        starting_point: the model that the training started from; its name and sha256 are kept.
        longest_runs: of the corpus; None if they aren't known.

    Returns:
        `{"bundle": {"name": str, "bytes": int, "sha256": str}, "pth": {…}}`, the latter for classic models.

    Raises:
        VolumeUnavailable
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
        "params": {name: value for name, value in params.items() if name not in PRIVATE},
        "losses": asdict(losses),
        "items": None if items is None else asdict(items),
        "longest_runs": longest_runs,
    }
    if starting_point is not None and starting_point.model_id is not None:
        config["started_from"] = {"name": starting_point.name, "sha256": starting_point.sha256}
    for name, content in parts.items():
        with committed(folder / name) as temporary:
            temporary.write_bytes(content)
    if "pth" in sizes.kind.formats:
        write_document(folder / DOCUMENT, weights, vocabulary)
    with committed(folder / BUNDLE) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {CONFIG: _json(config), **parts}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return {kind: _described(folder / FILES[kind]) for kind in sizes.kind.formats}


def read_bundle(path: Path, *, with_rows: bool = True) -> ReadModel:
    """Read a bundle that anyone may have made, without its rows if they aren't needed. Raises BadModelFile."""
    try:
        with opened(path) as archive:
            return _read_members(archive, with_rows)
    except BadModelFile:
        raise
    except (*READING_ERRORS, SafetensorError) as error:
        what = type(error).__name__
        raise BadModelFile(f"the file can't be read as a bundle; it may be damaged ({what})") from error


def read_upload(path: Path) -> ReadModel:
    """Read an uploaded model: a bundle or the seed document's file. Raises BadModelFile."""
    try:
        with opened(path) as archive:
            bundle = CONFIG in archive.namelist()
    except READING_ERRORS as error:
        raise BadModelFile(
            "the file is neither a bundle nor one that torch.save has written, or it is truncated"
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
        losses=ModelLosses(),
        metrics=(),
        samples=(),
    )


def load_model(folder: Path) -> LoadedModel:
    """Load a model from the folder that `write_model` filled. Raises BadModelFile if its bundle is damaged."""
    read = read_bundle(folder / BUNDLE, with_rows=False)
    return assemble(read.sizes, read.vocabulary, read.weights, read.params)


def _read_members(archive: zipfile.ZipFile, with_rows: bool) -> ReadModel:
    names = archive.namelist()
    if extra := sorted(set(names) - {CONFIG, WEIGHTS, METRICS, SAMPLES}):
        raise BadModelFile(f"the bundle holds {extra[0][:100]!r}, which has no place in it")
    if len(names) != len(set(names)):
        raise BadModelFile("the bundle holds two members of one name")
    if missing := sorted({CONFIG, WEIGHTS} - set(names)):
        raise BadModelFile(f"the bundle lacks {missing[0]}")
    entry = checked(archive, CONFIG, max_bytes=MAX_CONFIG_BYTES, max_ratio=MAX_RATIO)
    sizes, config, params = read_config(read(archive, entry))
    vocabulary = Vocabulary("".join(config.vocabulary))
    wanted = shapes(
        vocab_size=len(vocabulary),
        hidden_size=sizes.hidden_size,
        layers=sizes.layers,
        embedding_size=sizes.embedding_size,
    )
    needed = 4 * sum(math.prod(shape) for shape in wanted.values())
    entry = checked(archive, WEIGHTS, max_bytes=needed + MAX_HEADER_BYTES, max_ratio=MAX_RATIO_OF_WEIGHTS)
    weights = load_tensors(read(archive, entry))
    if fault := faults(weights, wanted):
        raise BadModelFile(f"the weights are not those that config.json describes: {fault}")
    return ReadModel(
        sizes=sizes,
        vocabulary=vocabulary,
        weights=weights,
        params=params | asdict(sizes),
        losses=config.losses,
        items=config.items,
        longest_runs=config.longest_runs,
        metrics=_rows(archive, METRICS, rows.METRICS, rows.MAX_METRICS) if with_rows else (),
        samples=_rows(archive, SAMPLES, rows.SAMPLES, rows.MAX_SAMPLES) if with_rows else (),
    )


def _rows(archive: zipfile.ZipFile, name: str, kind: TypeAdapter[rows.Row], max_rows: int) -> tuple[rows.Row, ...]:
    if name not in archive.namelist():
        return ()
    entry = checked(archive, name, max_bytes=MAX_ROWS_BYTES, max_ratio=MAX_RATIO)
    with lines(archive, entry) as file:
        try:
            return tuple(rows.read_rows(file, kind, max_rows=max_rows))
        except ValueError as exc:
            raise BadModelFile(f"{name} can't be read: {exc}") from exc


def _lines(records: Iterable[MetricRow | SampleRow]) -> bytes:
    return b"".join(_json(row(record)) + b"\n" for record in records)


def _json(value: object) -> bytes:
    return json.dumps(value, allow_nan=False).encode("ascii")


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}
