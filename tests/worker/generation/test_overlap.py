"""How much of a text is copied: the same as the plain way finds."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.short_trainings import sample_text
from worker.generation import overlap as module
from worker.generation.overlap import COPIED_RUN, find_overlap
from worker.generation.substring_index import SubstringIndex


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
def texts_with_copies(draw: st.DrawFn) -> tuple[str, str]:
    alphabet = draw(st.sampled_from(["a", "ab", "abc€", "ab\U0001f43b\ufeff"]))
    corpus = draw(st.text(alphabet, max_size=200))
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        begin, length = draw(st.integers(0, 200)), draw(st.integers(0, 60))
        parts += [draw(st.text(alphabet, max_size=10)), corpus[begin : begin + length]]
    return "".join(parts), corpus


@given(texts_with_copies())
@settings(max_examples=300, deadline=None)
def test_it_finds_what_the_plain_way_finds(pair: tuple[str, str]) -> None:
    assert find_overlap(*pair) == plainly(*pair)


@given(texts_with_copies())
@settings(max_examples=300, deadline=None)
def test_it_finds_the_same_by_the_corpus_runs_in_order(pair: tuple[str, str]) -> None:
    text, corpus = pair
    if corpus:
        assert find_overlap(text, corpus, runs=SubstringIndex(corpus, COPIED_RUN)) == plainly(text, corpus)


@given(texts_with_copies())
@settings(max_examples=100, deadline=None)
def test_it_finds_copies_across_the_borders_of_its_pieces(pair: tuple[str, str]) -> None:
    kept = module._PIECE
    module._PIECE = 7
    try:
        assert find_overlap(*pair) == plainly(*pair)
    finally:
        module._PIECE = kept


def test_equal_hashes_of_different_runs_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a hash that is the same for every run that begins with the same character.
    monkeypatch.setattr(module, "_hashes", lambda points, k: points[: len(points) - k + 1].astype("uint64") << 40)
    text = sample_text(400)
    assert find_overlap(text[100:200] + "zzz" + text[5:35], text) == plainly(text[100:200] + "zzz" + text[5:35], text)


def test_a_text_against_itself_and_against_nothing() -> None:
    text = sample_text(5000)
    assert find_overlap(text, text) == {"longest": 5000, "share": 1.0, "spans": [[0, 5000]]}
    assert find_overlap(text, "") == {"longest": 0, "share": 0.0, "spans": []}
    assert find_overlap("", text) == {"longest": 0, "share": 0.0, "spans": []}


def test_it_ticks_for_each_piece() -> None:
    ticks: list[int] = []
    find_overlap(sample_text(200), "q" * (3 * module._PIECE), tick=lambda: ticks.append(1))
    assert len(ticks) >= 3
