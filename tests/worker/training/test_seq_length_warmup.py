"""Shorter sequences in the first epochs: more steps over the same text, with the state carried between them."""

import pytest

from shared.requests.flops import warmup_parts
from tests.worker.short_trainings import assert_resumed_exactly, record_steps, run, sample_text, stream
from worker.nn.model import CharLSTM
from worker.training.data import encode, survey
from worker.training.stream import Stream

TEXT = sample_text(2000)
WARMUP = {"seq_length": 16, "seq_length_warmup": 2, "dropout": 0.0}


def recipe_of(**options: object) -> Stream:
    """Return the batches of a new model."""
    found = survey([TEXT])
    model = CharLSTM(vocab_size=len(found.vocabulary), hidden_size=24, layers=1, embedding_size=8)
    codes = encode([TEXT], found.vocabulary, chars=found.chars)
    return Stream(stream(**options), model, codes, seed=3, bfloat16=False)


@pytest.mark.parametrize(("epochs", "parts"), [(0, [1, 1, 1]), (1, [2, 1, 1]), (2, [4, 2, 1]), (4, [16, 8, 4])])
def test_the_parts_of_a_batch_double_in_length_from_epoch_to_epoch(epochs: int, parts: list[int]) -> None:
    assert [warmup_parts(epochs, epoch) for epoch in range(3)] == parts


def test_parts_hold_all_characters_and_carry_the_state() -> None:
    whole, cut = recipe_of(**WARMUP | {"seq_length_warmup": 0}), recipe_of(**WARMUP)
    cut._model.load_state_dict(whole._model.state_dict())
    for batch in range(3):
        [(loss, targets)] = whole.train_batch(0, batch)
        parts = list(cut.train_batch(0, batch))
        assert len(parts) == 4
        assert sum(count for _, count in parts) == targets
        assert sum(one for one, _ in parts) == pytest.approx(loss, rel=1e-5)
        assert [len(list(cut.train_batch(epoch, batch))) for epoch in (1, 2, 3)] == [2, 1, 1]
        cut._carried = whole._carried


def test_each_part_is_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    made = record_steps(monkeypatch)
    _, done = run(stream(**WARMUP, epochs=3), TEXT)
    batches = done.step // 3
    assert len(made) == (4 + 2 + 1) * batches
    assert made[:4] == [made[0]] * 4


def test_the_first_epoch_learns_more_from_the_same_text() -> None:
    losses = [
        run(stream(**WARMUP | {"seq_length": 64, "seq_length_warmup": epochs}, epochs=1), TEXT)[1].losses.validation
        for epochs in (2, 0)
    ]
    assert losses[0] is not None
    assert losses[1] is not None
    assert losses[0] < losses[1] - 0.1


def test_a_training_resumed_during_the_warm_up_is_exact() -> None:
    assert_resumed_exactly(stream(**WARMUP, epochs=2), TEXT, at=0.25)
