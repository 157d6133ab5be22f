"""A text as integers, and what is cut out of it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.requests.validation import tail
from shared.text.vocabulary import Vocabulary
from tests.worker.short_trainings import BOOK
from worker.nn.randomness import Permutation
from worker.training.data import Chunks, Continuation, Windows, encode, survey


@given(st.lists(st.text(st.characters(exclude_categories=[]))))
def test_encoding_agrees_with_the_vocabulary(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = survey(pieces)
    assert (found.vocabulary, found.chars) == (Vocabulary.of(text), len(text))
    assert encode(pieces, found.vocabulary, chars=found.chars).tolist() == found.vocabulary.encode(text)


def test_a_character_takes_as_few_bytes_as_its_vocabulary_allows() -> None:
    for size, width in [(256, 1), (257, 2), (65536, 2), (65537, 4)]:
        text = "".join(map(chr, range(1, size + 1)))
        assert encode([text], survey([text]).vocabulary, chars=size).itemsize == width


def test_an_unknown_character_is_named() -> None:
    for unknown in "€\0\U0010ffff":
        with pytest.raises(KeyError) as caught:
            encode(["a", "ab" + unknown], Vocabulary("ab"), chars=4)
        assert caught.value.args == (unknown,)


@pytest.mark.parametrize("chars", [2, 4])
def test_a_text_that_is_not_as_long_as_it_was_is_noticed(chars: int) -> None:
    with pytest.raises(ValueError, match=str(chars)):
        encode(["ab", "a"], Vocabulary("ab"), chars=chars)


@given(st.integers(1, 3000), st.integers(0, 2**63 - 1))
def test_a_permutation_holds_each_number_once(size: int, key: int) -> None:
    assert sorted(Permutation(size, key)(np.arange(size)).tolist()) == list(range(size))


def test_a_permutation_is_well_mixed() -> None:
    # Given 100,000 places: neighbours land far apart, and parity says nothing (seed 1; four standard deviations).
    found = Permutation(100_000, 1)(np.arange(100_000))
    assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 4 / np.sqrt(100_000)
    assert abs(((found % 2) == (np.arange(100_000) % 2)).mean() - 0.5) < 4 * 0.5 / np.sqrt(100_000)


def test_an_epoch_holds_every_window_once_with_the_character_after_it() -> None:
    codes = np.arange(50, dtype=np.uint8)
    windows = Windows(codes, seq_length=7, batch_size=8, seed=1)
    for epoch in (0, 1):
        starts = []
        for batch in range(windows.batches):
            inputs, targets = windows.training(epoch, batch)
            assert inputs.shape == (len(targets), 7)
            assert (inputs.numpy() == inputs.numpy()[:, :1] + np.arange(7)).all()
            assert (targets.numpy() == inputs.numpy()[:, -1] + 1).all()
            starts += inputs[:, 0].tolist()
        assert sorted(starts) == list(range(43))
        assert starts != sorted(starts)


def test_chunks_follow_one_another_and_cover_nearly_everything() -> None:
    codes = np.arange(1000, dtype=np.uint16)
    whole = {"starts": np.array([0]), "lengths": np.array([1000])}
    chunks = Chunks(codes, **whole, seq_length=30, batch_size=4, seed=5)
    targets = []
    last = None
    for batch in range(chunks.batches):
        inputs, following = chunks.training(0, batch)
        assert inputs.shape == following.shape == (4, chunks.length)
        if last is not None:
            assert inputs[:, 0].tolist() == last
        last = following[:, -1].tolist()
        assert ((inputs.numpy() + 1) % 1000 == following.numpy()).all()
        targets += following.flatten().tolist()
    assert len(set(targets)) == len(targets) == chunks.characters >= 960
    assert chunks.training(0, 0)[0][0, 0] != chunks.training(1, 0)[0][0, 0], "each epoch enters elsewhere"


def test_a_continuation_predicts_each_character_once() -> None:
    codes = np.arange(100, dtype=np.uint8)
    kept = Continuation(codes, tail(100, 42), length=10)
    targets = [t for batch in range(kept.batches) for t in kept.evaluation(batch)[1][0].tolist()]
    assert targets == list(range(58, 100))
    assert kept.evaluation(0)[0][0, 0] == 57
    assert Continuation(codes, tail(100, 0), length=10).batches == 0


def test_batch_rows_predict_each_character_once_after_those_before_it() -> None:
    codes = (np.arange(30_000) % 251).astype(np.uint8)
    kept = Continuation(codes, tail(30_000, 15_000), length=1000)
    read: list[list[int]] = [[] for _ in range(7)]
    judged: list[int] = []
    for batch in range(kept.batches):
        inputs, targets = (part.tolist() for part in kept.evaluation(batch))
        assert len(inputs) == 7
        for number, row in enumerate(inputs):
            read[number] += row
        if not kept.leads(batch):
            judged += [target for row in targets for target in row if target >= 0]
    assert sorted(judged) == sorted(codes[15_000:].tolist())
    for number, found in enumerate(read[:-1]):
        begin = 15_000 + number * 2143 - 500 - 1
        assert found == codes[begin : begin + 500 + 2143].tolist()


@pytest.mark.skipif(BOOK is None, reason="CHARLOOM_BOOK names no book")
def test_the_documents_book_has_the_documents_figures() -> None:
    text = Path(BOOK or "").read_text(encoding="utf-8").lower()
    found = survey([text])
    assert (found.chars, len(found.vocabulary)) == (148_067, 67)
    codes = encode([text], found.vocabulary, chars=found.chars)
    assert Windows(codes, seq_length=100, batch_size=128, seed=1).count == 147_967
