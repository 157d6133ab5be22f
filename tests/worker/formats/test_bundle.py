"""A model's files: written the same each time, read back whole, and refused when a stranger's aren't a model."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from shared.errors import BadModelFile
from shared.jobs.rows import Baselines, MetricRow, ModelLosses, NGram, SampleRow
from shared.text.items import ModelItems
from tests.worker.models import small_model
from worker.formats.bundle import load_model, read_bundle, read_upload, write_model

BASELINES = Baselines(unigram=3.0, ngram=NGram(order=6, loss=1.625), xz=1.875)
LOSSES = ModelLosses(train=1.5, validation=1.75, best_epoch=3, baselines=BASELINES)
METRICS = [MetricRow(step=1, epoch=1, seconds=0.5, train_loss=2.5), MetricRow(step=2, epoch=1, seconds=1.0)]
METRIC = b'{"step": 1, "epoch": 1, "seconds": 0.5}'
SAMPLES = [SampleRow(step=2, epoch=1, text="pooh\n€🐻", prompt="said", temperature=0.7)]

ITEMS = ModelItems(separator="\n%\n", count=3, unique=2)


def written(folder: Path, recipe: str = "stream") -> dict[str, Any]:
    model = small_model(recipe)
    params = {
        "recipe": recipe,
        "hidden_size": 32,
        "layers": 1,
        "embedding_size": 8 if recipe == "stream" else 0,
        "seq_length": 20,
        "lowercase": True,
        "epochs": 3,
        "name": "secret plans",
        "metadata": {"a": "b"},
        "webhook": {"url": "https://example.org/secret"},
    }
    folder.mkdir(exist_ok=True)
    return write_model(
        folder,
        params=params,
        vocabulary=model.vocabulary,
        weights=model.module.weights(),
        losses=LOSSES,
        metrics=METRICS,
        samples=SAMPLES,
        items=ITEMS if recipe == "stream" else None,
        longest_runs={"\n": 3, "[": 2},
    )


@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_a_model_comes_back_as_it_was(tmp_path: Path, recipe: str) -> None:
    files = written(tmp_path, recipe)
    assert files.keys() == ({"bundle", "pth"} if recipe == "classic" else {"bundle"})
    for file in files.values():
        content = (tmp_path / file["name"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
    read, model = read_bundle(tmp_path / "bundle.zip"), small_model(recipe)
    assert (read.metrics, read.samples) == (tuple(METRICS), tuple(SAMPLES))
    assert read.items == (ITEMS if recipe == "stream" else None)
    assert (read.sizes.recipe, read.losses, read.vocabulary) == (
        recipe,
        LOSSES,
        model.vocabulary,
    )
    assert (read.params["epochs"], read.longest_runs) == (3, {"\n": 3, "[": 2})
    for weights in (read.weights, load_model(tmp_path).module.weights()):
        assert all(torch.equal(weights[name], value) for name, value in model.module.weights().items())


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a", "classic") == written(tmp_path / "b", "classic")


def test_names_and_secrets_stay_out_of_the_bundle(tmp_path: Path) -> None:
    written(tmp_path)
    assert b"secret" not in (tmp_path / "bundle.zip").read_bytes()


def test_an_upload_of_either_kind_is_read(tmp_path: Path) -> None:
    written(tmp_path, "classic")
    from_document = read_upload(tmp_path / "document.pth")
    from_bundle = read_upload(tmp_path / "bundle.zip")
    assert from_document.vocabulary == from_bundle.vocabulary
    assert from_document.sizes.seq_length == 100
    assert from_document.sizes.lowercase
    (tmp_path / "x").write_bytes(b"once upon a time")
    with pytest.raises(BadModelFile, match="neither"):
        read_upload(tmp_path / "x")


def remade(folder: Path, change: dict[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> Path:
    """Make the bundle anew with some parts changed, added or (None) left out."""
    with zipfile.ZipFile(folder / "bundle.zip") as archive:
        parts: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    path = folder / "remade.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in (parts | change).items():
            if content is not None:
                archive.writestr(name, content)
    return path


def config(folder: Path, **change: Any) -> bytes:
    with zipfile.ZipFile(folder / "bundle.zip") as archive:
        return json.dumps(json.loads(archive.read("config.json")) | change).encode()


def test_a_bundle_that_someone_has_zipped_anew_is_read(tmp_path: Path) -> None:
    written(tmp_path)
    assert read_bundle(remade(tmp_path, {}, zipfile.ZIP_DEFLATED)).metrics == tuple(METRICS)
    assert read_bundle(remade(tmp_path, {"metrics.jsonl": None, "samples.jsonl": None})).metrics == ()
    blank = b'{"step": 1, "epoch": 1, "text": "%s", "prompt": "a", "temperature": 0.7}\n' % (b" " * 10_000)
    assert len(read_bundle(remade(tmp_path, {"samples.jsonl": blank * 50}, zipfile.ZIP_DEFLATED)).samples) == 50


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_size": 33}, "shape"),
        ({"hidden_size": 5000}, "hidden_size: .*4096"),
        ({"hidden_size": True}, "hidden_size: "),
        ({"hidden_size": "32"}, "hidden_size: "),
        ({"layers": 2}, "missing"),
        ({"recipe": "transformer"}, "recipe: "),
        ({"recipe": []}, "recipe: "),
        ({"recipe": "classic"}, "embedding_size"),
        ({"lowercase": 1}, "lowercase"),
        ({"format": "other"}, "not that of a Charloom model"),
        ({"version": 99}, "version: 99 is of a newer Charloom; this one reads versions up to 1"),
        ({"vocabulary": "abc"}, "vocabulary"),
        ({"vocabulary": ["a", "b"]}, "shape"),
        ({"vocabulary": ["a", "a"]}, "twice"),
        ({"vocabulary": ["ab", "c"]}, "vocabulary.0: String should have at most 1 character"),
        ({"vocabulary": [1, 2]}, "vocabulary.0: "),
        ({"vocabulary": ["\ud800"]}, "config.json"),
        ({"items": {"separator": "\n", "count": 1, "unique": 2}}, "items: is not a list"),
        ({"vocabulary": []}, "vocabulary: "),
        ({"params": []}, "params"),
        ({"params": {"epochs": "12"}}, "epochs: "),
        ({"params": {"epochs": 10**4000}}, "epochs: "),
        ({"params": {"learning_rate": float("nan")}}, "learning_rate: "),
        ({"params": {"precision": ["float32"]}}, "precision: "),
        ({"losses": {"train": "low"}}, "losses.train: Input should be a valid number"),
        ({"losses": {"train": float("inf")}}, "losses.train: "),
        ({"losses": {"train": 10**4000}}, "losses.train: "),
        ({"losses": {"best_epoch": -1}}, "losses.best_epoch: "),
    ],
)
def test_a_bundle_that_is_no_model_is_refused_with_words(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    written(tmp_path)
    with pytest.raises(BadModelFile, match=words):
        read_bundle(remade(tmp_path, {"config.json": config(tmp_path, **change)}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"../escape.txt": b"x"}, "no place"),
        ({"/etc/escape": b"x"}, "no place"),
        ({"config.json": None}, "lacks config.json"),
        ({"weights.safetensors": None}, "lacks weights"),
        ({"config.json": b"[" * 50}, "config.json"),
        ({"config.json": b"\xff"}, "config.json"),
        ({"weights.safetensors": bytes(range(50))}, "damaged"),
        ({"weights.safetensors": b"\0" * 90_000_000}, "at most"),
        ({"metrics.jsonl": b"[]\n"}, "line 1: Input should be an object"),
        ({"metrics.jsonl": b'{"other": 1}\n'}, "line 1: step: Field required"),
        ({"metrics.jsonl": METRIC + b"\n\n"}, "line 2: "),
        ({"samples.jsonl": METRIC}, "line 1: text: Field required"),
    ],
)
def test_a_bundle_with_bad_parts_is_refused(tmp_path: Path, change: dict[str, bytes | None], words: str) -> None:
    written(tmp_path)
    with pytest.raises(BadModelFile, match=words):
        read_bundle(remade(tmp_path, change, zipfile.ZIP_DEFLATED))
    assert not (tmp_path.parent / "escape.txt").exists()


def test_a_bundle_with_two_members_of_one_name_is_refused(tmp_path: Path) -> None:
    written(tmp_path)
    with zipfile.ZipFile(tmp_path / "bundle.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", config(tmp_path))
    with pytest.raises(BadModelFile, match="two members of one name"):
        read_bundle(tmp_path / "bundle.zip")


@pytest.mark.parametrize("name", ["train_loss", "seconds", "evaluation_sum", "step"])
@pytest.mark.parametrize(
    "value", [b'"2.5"', b"true", b"[]", b"NaN", b"-Infinity", b"1e999", b"-1e31", b"9" * 4000, b"9" * 5000]
)
def test_a_row_whose_numbers_are_not_finite_numbers_is_refused(tmp_path: Path, name: str, value: bytes) -> None:
    written(tmp_path)
    row = METRIC[:-1] + b', "%s": %s}' % (name.encode(), value)
    with pytest.raises(BadModelFile, match=r"metrics\.jsonl can't be read: line 2: ") as caught:
        read_bundle(remade(tmp_path, {"metrics.jsonl": METRIC + b"\n" + row}))
    assert len(caught.value.detail) < 200


def test_what_a_newer_version_adds_is_ignored(tmp_path: Path) -> None:
    written(tmp_path)
    newer = config(tmp_path, new=1, params={"epochs": 3, "new": "x" * 1000})
    row = METRIC[:-1] + b', "new": 1}'
    read = read_bundle(remade(tmp_path, {"config.json": newer, "metrics.jsonl": row}))
    assert read.params["epochs"] == 3
    assert "new" not in read.params
    assert read.metrics == (MetricRow(step=1, epoch=1, seconds=0.5),)


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    written(tmp_path)
    weights = small_model().module.weights()
    weights["linear.bias"][3] = float("inf")
    with pytest.raises(BadModelFile, match="infinity"):
        read_bundle(remade(tmp_path, {"weights.safetensors": save(weights)}))


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_bundle_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    written(tmp_path)
    content = (tmp_path / "bundle.zip").read_bytes()
    (tmp_path / "bundle.zip").write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadModelFile, match="damaged"):
        load_model(tmp_path)
