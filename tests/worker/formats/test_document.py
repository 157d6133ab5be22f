"""The seed document's file, both ways; and no other file does harm."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from shared.errors import BadModelFile
from shared.jobs.rows import ModelLosses
from shared.requests.writing import GenerateRequest
from tests.worker.models import small_model
from tests.worker.reference import document_generation
from worker.formats.bundle import load_model, write_model
from worker.formats.document import read_document, vocabulary_from, write_document
from worker.generation.generate import generate


@pytest.fixture
def good(tmp_path: Path) -> Path:
    model = small_model("classic")
    path = tmp_path / "good.pth"
    write_document(path, model.module.weights(), model.vocabulary)
    return path


#: With these weights the greedy text goes through many characters.
SEED = 1


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def test_a_file_comes_back_as_it_was(good: Path) -> None:
    model = small_model("classic")
    weights, vocabulary = read_document(good)
    assert vocabulary == model.vocabulary
    assert all(torch.equal(weights[name], value) for name, value in model.module.weights().items())


def test_the_documents_own_code_reads_our_file_and_writes_the_same_text(tmp_path: Path) -> None:
    model = small_model("classic", hidden_size=64, seed=SEED, sharpness=10)
    params = {
        "recipe": "classic",
        "hidden_size": 64,
        "layers": 1,
        "embedding_size": 0,
        "seq_length": 20,
        "lowercase": True,
    }
    write_model(
        tmp_path, params=params, vocabulary=model.vocabulary, weights=model.module.weights(), losses=ModelLosses()
    )
    prompt = "a very nearly tea, sai"[-20:]
    theirs = document_generation(str(tmp_path / "document.pth"), prompt, 1000, 64)
    asked = {"model_id": "mod", "prompt": prompt, "length": 1000, "temperature": 0.0, "seed": 1}
    request = GenerateRequest.model_validate(asked)
    *_, done = generate(load_model(tmp_path), request)
    assert done.outputs()[0].text == theirs
    assert len(set(theirs)) > 3, "a text of one character would prove little"


def test_the_order_of_the_vocabulary_is_the_files(tmp_path: Path) -> None:
    model = small_model("classic", characters="cab")
    index = {"c": 2, "a": 0, "b": 1}
    _, vocabulary = read_document(saved(tmp_path / "x", [model.module.state_dict(), index]))
    assert vocabulary.characters == "abc"


class Bomb:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path(self.target),))

    def __init__(self, target: Path) -> None:
        self.target = str(target)


def test_a_pickle_bomb_does_not_go_off(tmp_path: Path) -> None:
    # Given: a bomb in torch's own format, one as a plain pickle, and one in the outline of a real file.
    target = tmp_path / "exploded"
    weights = small_model("classic").module.state_dict()
    in_torch = saved(tmp_path / "a", [weights, {"a": 0, "b": Bomb(target)}])
    plain = tmp_path / "b"
    plain.write_bytes(pickle.dumps([Bomb(target)]))
    legacy = tmp_path / "c"
    torch.save([Bomb(target)], legacy, _use_new_zipfile_serialization=False)
    for path in (in_torch, plain, legacy):
        with pytest.raises(BadModelFile):
            read_document(path)
        assert not target.exists()


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_refused(good: Path, share: float) -> None:
    content = good.read_bytes()
    good.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadModelFile, match="truncated"):
        read_document(good)


def test_flipped_bytes_are_refused_or_harmless(good: Path) -> None:
    content = good.read_bytes()
    for place in range(0, len(content), 211):
        flipped = bytearray(content)
        flipped[place] ^= 0x40
        good.write_bytes(flipped)
        try:
            weights, _ = read_document(good)
        except BadModelFile:
            continue
        assert all(bool(torch.isfinite(value).all()) for value in weights.values())


def rezipped(good: Path, compression: int, change: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(good.read_bytes())) as old, zipfile.ZipFile(good, "w", compression) as new:
        for member in old.infolist():
            suffix = member.filename.split("/", 1)[1]
            new.writestr(member.filename, change.get(suffix, old.read(member)))


def test_compressed_and_overlarge_parts_are_refused_unread(good: Path) -> None:
    content = good.read_bytes()
    rezipped(good, zipfile.ZIP_DEFLATED, {"data/0": b"\0" * 50_000_000})
    with pytest.raises(BadModelFile, match="compressed"):
        read_document(good)
    good.write_bytes(content)
    rezipped(good, zipfile.ZIP_STORED, {"data.pkl": b"\0" * (33 << 20)})
    with pytest.raises(BadModelFile, match="pickle"):
        read_document(good)


def test_a_tensor_said_to_be_larger_than_its_bytes_is_refused(good: Path) -> None:
    # Given: an outline that makes 4,000,000,000 numbers of the few there are.
    content = [dict(small_model("classic").module.state_dict()), small_model("classic").vocabulary.index]
    content[0]["lstm.weight_hh_l0"] = torch.zeros(1).expand(4 * 4096, 4096)
    with pytest.raises(BadModelFile):
        read_document(saved(good, content))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w, _: w, "list of two"),
        (lambda w, v: [w, v, 1], "list of two"),
        (lambda _, v: [v, v], "lstm.weight_hh_l0"),
        (lambda w, v: [{k: t for k, t in w.items() if k != "linear.bias"}, v], "linear.bias is missing"),
        (lambda w, v: [w | {"extra": torch.zeros(1)}, v], "'extra' is not part of this model"),
        (lambda w, v: [w | {"linear.bias": [1.0]}, v], "is not a tensor"),
        (lambda w, v: [w | {"linear.bias": w["linear.bias"].double()}, v], "float64"),
        (lambda w, v: [w | {"linear.bias": w["linear.bias"][:-1].clone()}, v], "shape"),
        (lambda w, v: [w | {"linear.bias": w["linear.bias"] * float("nan")}, v], "NaN"),
        (lambda w, v: [w | {"lstm.weight_hh_l0": torch.zeros(4, 5000)}, v], "shape"),
        (lambda w, v: [w, {**v, "ab": 7}], "single characters"),
        (lambda w, v: [w, {**v, "\ud800": 31}], "single characters"),
        (lambda w, v: [w, {**v, "z": 0}], "each once"),
        (lambda w, v: [w, {**v, "z": 31.0}], "number its"),
        (lambda w, v: [w, {**v, "z": True}], "number its"),
        (lambda w, _: [w, {}], "at least 1"),
        (lambda w, _: [w, {"a": 0, "b": 1}], "shape"),
    ],
)
def test_a_file_that_is_no_model_is_refused_with_words(tmp_path: Path, change: Any, words: str) -> None:
    model = small_model("classic")
    content = change(dict(model.module.state_dict()), model.vocabulary.index)
    with pytest.raises(BadModelFile, match=words):
        read_document(saved(tmp_path / "x", content))


def test_a_zip_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "dear pooh")
    with pytest.raises(BadModelFile, match=r"not one that torch\.save"):
        read_document(path)


def test_a_vocabulary_needs_every_index_once() -> None:
    assert vocabulary_from({"b": 1, "a": 0}).characters == "ab"
    with pytest.raises(BadModelFile):
        vocabulary_from({"b": 2, "a": 0})
