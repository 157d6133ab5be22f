"""How much of a text is copied: the same as the plain way finds, in memory and on the volume."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Damaged
from tests.worker.short_trainings import sample_text
from worker.generation import overlap as module
from worker.generation import text_index
from worker.generation.overlap import COPIED_RUN, find_overlaps
from worker.generation.suffix_array import PADDING, SuffixArray
from worker.generation.text_index import TextIndex, sort_suffixes


def index_of(corpus: str) -> TextIndex:
    padded = np.frombuffer(bytearray(corpus.encode() + bytes(PADDING)), np.uint8)
    return TextIndex([SuffixArray(padded, sort_suffixes(padded[:-PADDING]))], {})


def plainly(text: str, corpus: str) -> dict[str, Any]:
    covered = [False] * len(text)
    longest = 0
    for begin in range(len(text)):
        length = 0
        while begin + length < len(text) and text[begin : begin + length + 1] in corpus:
            length += 1
        longest = max(longest, length)
        if length >= COPIED_RUN:
            covered[begin : begin + length] = [True] * length
    edges = [i for i in range(len(text) + 1) if (i > 0 and covered[i - 1]) != (i < len(text) and covered[i])]
    spans = [list(pair) for pair in zip(edges[::2], edges[1::2], strict=True)]
    return {"longest": longest, "share": sum(covered) / len(text) if text else 0.0, "spans": spans}


@st.composite
def texts_with_copies(draw: st.DrawFn) -> tuple[list[str], str]:
    alphabet = draw(st.sampled_from(["a", "ab", "abc€", "ab\U0001f43b\ufeff", "aä€ā"]))
    corpus = draw(st.text(alphabet, max_size=200))

    def text() -> str:
        parts = []
        for _ in range(draw(st.integers(0, 4))):
            begin, length = draw(st.integers(0, 200)), draw(st.integers(0, 60))
            parts += [draw(st.text(alphabet + "\0", max_size=10)), corpus[begin : begin + length]]
        return "".join(parts)

    return [text() for _ in range(draw(st.integers(0, 3)))], corpus


@pytest.mark.parametrize(("stride", "few"), [(1, 4096), (16, 0), (5, 0)])
@given(pair=texts_with_copies())
def test_it_finds_what_the_plain_way_finds(stride: int, few: int, pair: tuple[list[str], str]) -> None:
    texts, corpus = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_STRIDE", stride)
        patch.setattr(module, "_FEW", few)
        assert find_overlaps(texts, index_of(corpus)) == [plainly(text, corpus) for text in texts]


@given(pair=texts_with_copies(), cuts=st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_pieces_on_the_volume_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[list[str], str], cuts: int
) -> None:
    texts, corpus = pair
    folder = tmp_path_factory.mktemp("index")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_index, "PIECE_BYTES", 50)
        patch.setattr(text_index, "OVERLAP_BYTES", 1000)
        text_index.build(folder, [corpus[at : at + cuts] for at in range(0, len(corpus), cuts)])
    found = text_index.load(folder)
    assert found is not None
    assert find_overlaps(texts, found) == [plainly(text, corpus) for text in texts]


def test_a_text_against_itself_and_against_nothing() -> None:
    text = sample_text(5000)
    nothing = {"longest": 0, "share": 0.0, "spans": []}
    assert find_overlaps([text, ""], index_of(text)) == [{"longest": 5000, "share": 1.0, "spans": [[0, 5000]]}, nothing]
    assert find_overlaps([text], index_of("")) == [nothing]
    assert find_overlaps([], index_of(text)) == []


def test_a_lone_surrogate_occurs_nowhere() -> None:
    assert find_overlaps(["a\ud800b"], index_of("ab"))[0]["longest"] == 1


def test_it_ticks() -> None:
    ticks: list[int] = []
    find_overlaps([sample_text(200)], index_of(sample_text(3000)), tick=lambda: ticks.append(1))
    assert len(ticks) >= 10


def built(folder: Path, corpus: str) -> Path:
    text_index.build(folder, [corpus])
    assert text_index.load(folder) is not None
    return folder


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("name", ["text-0.npy", "order-0.npy", "index.json"])
@pytest.mark.parametrize(
    "spoil",
    [
        shorten,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:128] + bytes(path.stat().st_size - 128)),
        lambda path: path.write_bytes(b"x" * path.stat().st_size),
    ],
)
def test_a_damaged_index_is_noticed(tmp_path: Path, name: str, spoil: Any) -> None:
    folder = built(tmp_path, sample_text(20_000))
    spoil(folder / name)
    with pytest.raises(Damaged):
        text_index.load(folder)


def test_an_index_that_is_not_there_or_of_another_version_is_none(tmp_path: Path) -> None:
    assert text_index.load(tmp_path) is None
    manifest = built(tmp_path, "ab") / "index.json"
    manifest.write_text(manifest.read_text().replace('"version": 1', '"version": 99'))
    assert text_index.load(tmp_path) is None
    (tmp_path / "order-0.npy").unlink()
    manifest.write_text(manifest.read_text().replace('"version": 99', '"version": 1'))
    with pytest.raises(Damaged):
        text_index.load(tmp_path)
