"""A corpus' runs in order tell how much of a text stands in it, place by place."""

import pytest

from tests.worker.short_trainings import sample_text
from worker.generation import substring_index as module
from worker.generation.substring_index import SubstringIndex


def plainly(text: str, corpus: str, most: int) -> list[int]:
    return [
        next(n for n in range(most, -1, -1) if len(text[p : p + n]) == n and text[p : p + n] in corpus)
        for p in range(len(text))
    ]


@pytest.mark.parametrize("piece", [5, 4096])
def test_each_place_tells_how_far_it_agrees(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(module, "_PIECE", piece)
    corpus = sample_text(1500)
    text = corpus[200:260] + "\U0001f43b zzq" + corpus[:9] + corpus[-9:]
    ticks: list[int] = []
    assert SubstringIndex(corpus, 24).shared(text, tick=lambda: ticks.append(1)).tolist() == plainly(text, corpus, 24)
    assert len(ticks) == -(-len(text) // piece)


def test_characters_behind_the_end_agree_with_nothing() -> None:
    assert SubstringIndex("ab", 4).shared("abab").tolist() == [2, 1, 2, 1]
    assert SubstringIndex("abab", 4).shared("").tolist() == []


def test_a_corpus_of_no_or_too_many_characters_is_refused() -> None:
    wide = "".join(map(chr, range(1000, 1000 + 254)))
    assert SubstringIndex(wide, 24).shared(wide[-3:] + "x").tolist() == [3, 2, 1, 0]
    for corpus in ("", wide + "x"):
        with pytest.raises(ValueError, match="distinct characters"):
            SubstringIndex(corpus, 24)
