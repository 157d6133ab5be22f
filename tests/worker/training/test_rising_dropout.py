"""Dropout that rises with the epochs: none in the first, all of it in the end, and resumed exactly."""

import pytest

from tests.worker.short_trainings import assert_resumed_exactly, assert_same, run, sample_text, stream
from worker.nn.dropout import Dropout
from worker.nn.model import CharLSTM
from worker.training.data import encode, survey
from worker.training.stream import Stream

TEXT = sample_text(2000)
RISING = {"dropout": 0.4, "weight_dropout": 0.2, "dropout_epochs": 2}


def test_the_first_epoch_is_trained_without_dropout() -> None:
    _, rising = run(stream(**RISING, epochs=1), TEXT)
    _, none = run(stream(dropout=0.0, epochs=1), TEXT)
    assert_same(rising.weights, none.weights)


@pytest.mark.parametrize(
    ("epochs", "shares"), [(2, [(0.0, 0.0), (0.2, 0.1), (0.4, 0.2), (0.4, 0.2)]), (0, [(0.4, 0.2)] * 4)]
)
def test_dropout_rises_evenly_and_stays(epochs: int, shares: list[tuple[float, float]]) -> None:
    found = survey([TEXT])
    dropout = Dropout(units=0.4, weights=0.2)
    model = CharLSTM(vocab_size=len(found.vocabulary), hidden_size=24, layers=1, embedding_size=8, dropout=dropout)
    codes = encode([TEXT], found.vocabulary, chars=found.chars)
    recipe = Stream(stream(**RISING | {"dropout_epochs": epochs}), model, codes, seed=3, bfloat16=False)
    for epoch, (units, weights) in enumerate(shares):
        list(recipe.train_batch(epoch, 0))
        assert model.dropout == Dropout(units=units, weights=weights)


def test_a_training_resumed_while_dropout_rises_is_exact() -> None:
    assert_resumed_exactly(stream(**RISING, epochs=3), TEXT, at=0.5)
