"""Bases: trying one on a text without torch, and putting those that come with Charloom on a volume."""

import hashlib
import math
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from scripts.base_texts import PIECE, SOURCES, cut_into_pieces
from shared.bases import packaged, trial
from shared.jobs.rows import ModelLosses
from shared.text.vocabulary import Vocabulary
from shared.volume import Volume
from tests.worker.short_trainings import SAMPLE
from worker.formats.bundle import load_model, write_model
from worker.nn.model import CharLSTM

BOOK = "The wind was in the reeds.\nIt sang, and the river heard it all.\n" * 100
SIZES: dict[str, Any] = {"hidden_size": 24, "layers": 2, "embedding_size": 8}
PARAMS = {"recipe": "stream", "lowercase": False, "seq_length": 50, **SIZES}


@pytest.fixture
def model() -> CharLSTM:
    """Give a model of the book's characters."""
    torch.manual_seed(3)
    return CharLSTM(vocab_size=len(Vocabulary.of(BOOK)), **SIZES)


def text_file(folder: Path, text: str) -> Path:
    path = folder / "text.txt"
    path.write_text(text, "utf-8", newline="")
    return path


def test_the_loss_is_the_network_s_own(model: CharLSTM, tmp_path: Path) -> None:
    vocabulary = Vocabulary.of(BOOK)
    sample = trial.sample(text_file(tmp_path, BOOK), chars=len(BOOK), lowercase=False)
    assert len(sample.passages) == len(BOOK) // trial.CHARS_PER_BLOCK
    codes = torch.tensor([vocabulary.encode(passage) for passage in sample.passages])
    with torch.no_grad():
        logits, _ = model.eval()(codes[:, :-1])
    counted = slice(trial.WARM_UP - 1, None)
    expected = functional.cross_entropy(logits[:, counted].flatten(0, 1), codes[:, 1:][:, counted].flatten())
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    assert trial.loss(weights, vocabulary.characters, sample) == pytest.approx(float(expected), abs=1e-5)


def test_a_character_that_the_base_lacks_counts_as_guessed(model: CharLSTM, tmp_path: Path) -> None:
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    vocabulary = Vocabulary.of(BOOK).characters
    sample = trial.sample(text_file(tmp_path, "жук " * 1000), chars=4000, lowercase=False)
    without_blanks = trial.sample(text_file(tmp_path, "жуки" * 1000), chars=4000, lowercase=False)
    assert trial.loss(weights, vocabulary, without_blanks) == pytest.approx(math.log(len(vocabulary) + 1))
    assert trial.loss(weights, vocabulary, sample) < 2 * math.log(len(vocabulary) + 1)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        pytest.param("ab" * 2000, 0, 0.01, id="certain pairs"),
        pytest.param("".join(chr(97 + (k * k // 7) % 23) for k in range(4000)), 1, math.log(24), id="hardly any order"),
    ],
)
def test_letter_pairs_are_counted_in_the_text_around_the_passages(
    text: str, least: float, most: float, tmp_path: Path
) -> None:
    sample = trial.sample(text_file(tmp_path, text), chars=len(text), lowercase=False)
    assert all(len(passage) == trial.PREDICTED for passage in sample.passages)
    assert least <= trial.pairs_loss(sample) <= most


@pytest.mark.parametrize("chars", [2, 40, 1000, 15_000, 400_000])
def test_a_sample_is_small_and_comes_from_all_of_the_text(chars: int, tmp_path: Path) -> None:
    text = ("é" * (chars // 2)).ljust(chars, "z")
    sample = trial.sample(text_file(tmp_path, text), chars=chars, lowercase=False)
    assert 1 <= len(sample.passages) <= trial.MAX_BLOCKS
    assert sum(map(len, (*sample.passages, *sample.counted))) <= trial.MAX_BLOCKS * trial.MAX_BLOCK_CHARS
    assert len({len(passage) for passage in sample.passages}) == 1
    assert set("".join((*sample.passages, *sample.counted))) == set(text)


def pack(folder: Path, model: CharLSTM) -> Path:
    """Write a package of one base, "nordic"."""
    built = folder / "built"
    built.mkdir()
    write_model(
        built,
        params=PARAMS,
        vocabulary=Vocabulary.of(BOOK),
        weights=model.weights(),
        losses=ModelLosses(train=1.5, validation=1.6, best_epoch=1),
    )
    package = folder / "package"
    package.mkdir()
    with (
        zipfile.ZipFile(built / "bundle.zip") as whole,
        zipfile.ZipFile(package / "nordic.zip", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in whole.namelist():
            small.writestr(name, whole.read(name))
    return package


def test_a_packaged_base_is_put_on_the_volume_once(model: CharLSTM, tmp_path: Path) -> None:
    volume, package = Volume(tmp_path / "volume"), pack(tmp_path, model)
    [model_id] = packaged.install(volume, package)
    [base] = volume.models.bases()
    assert (base.id, base.name, base.recipe) == (model_id, "Nordic", "stream")
    assert base.params == PARAMS
    assert base.parameters == sum(value.numel() for value in model.parameters())
    assert base.losses.validation == 1.6
    loaded = load_model(volume.models.folder(model_id))
    assert loaded.vocabulary.characters == base.vocabulary
    assert all(torch.equal(value, model.weights()[name]) for name, value in loaded.module.state_dict().items())
    path, file = volume.models.file(model_id, "bundle")
    assert path.stat().st_size == file.bytes

    assert packaged.install(volume, package) == [], "it is there"
    volume.models.mark_base(model_id, base=False)
    assert packaged.install(volume, package) == [], "somebody removed the mark"
    volume.models.delete(model_id)
    assert packaged.install(volume, package) == [], "somebody deleted it"
    assert volume.models.find(model_id) is None
    assert packaged.install(Volume(tmp_path / "other"), package) == [model_id], "the same on every volume"


def test_what_comes_along_is_what_its_card_says_and_knows_english(tmp_path: Path) -> None:
    packed = packaged.FOLDER / "english.zip"
    assert packed.stat().st_size < 3 << 20, "a package's download stays small"
    card = packed.with_suffix(".md").read_text()
    assert hashlib.sha256(packed.read_bytes()).hexdigest() in card
    assert f"{packed.stat().st_size:,} bytes" in card
    for source in SOURCES:
        assert f"| {source.work} | {source.licence} | `{source.package}` {source.version} |" in card
    volume = Volume(tmp_path)
    [model_id] = packaged.install(volume)
    base = volume.models.get(model_id)
    assert base.name == "English"
    assert f"{base.parameters:,} parameters" in card
    sample = trial.sample(SAMPLE, chars=30_000, lowercase=False)
    weights = trial.read_weights(volume.models.weights_path(model_id))
    assert trial.loss(weights, base.vocabulary, sample) < trial.pairs_loss(sample) - 0.5


def test_works_are_cut_at_blank_lines_into_pieces_of_about_a_size() -> None:
    paragraphs = [f"Paragraph {number}. " + "It goes on. " * 40 for number in range(300)]
    pieces = list(cut_into_pieces("\n\n".join(paragraphs)))
    assert "\n\n".join(pieces) == "\n\n".join(paragraph.rstrip() for paragraph in paragraphs)
    assert all(PIECE <= len(piece) < PIECE + 1000 for piece in pieces[:-1])
