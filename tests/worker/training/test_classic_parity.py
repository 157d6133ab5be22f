"""`classic` computes what the seed document computes, number for number."""

import numpy as np
import pytest
import torch

from tests.worker.reference import document_training
from tests.worker.short_trainings import classic, run, sample_text
from worker.nn.randomness import Permutation, derive, seed_torch
from worker.training.train import train

SEED, TOLERANCE_LOSS, TOLERANCE_WEIGHTS = 11, 1e-5, 1e-4


@pytest.mark.parametrize("fused", [True, False])
def test_losses_and_weights_agree_with_the_document(fused: bool) -> None:
    # Given: a real text, and the document's own training on it from the same weights, in the same order of windows,
    # with the same dropout masks.
    text = "\ufeff" + sample_text(1500)
    request = classic(seed=SEED, seq_length=30, hidden_size=32, batch_size=64, epochs=3, sample_chars=0)
    first = next(train(request, text, threads=1)).state()
    count = len(text) - request.seq_length
    key = derive(SEED, "data")
    orders = [Permutation(count, derive(key, "windows", epoch))(np.arange(count)).tolist() for epoch in range(3)]
    printed, weights = document_training(
        text,
        weights=first.part("model"),
        seq_length=30,
        hidden_size=32,
        batch_size=64,
        orders=orders,
        seed_step=lambda step: seed_torch(SEED, "step", step),
    )
    # When
    _, done = run(request, text, fused=fused)
    # Then
    assert [metric.evaluation_sum for metric in done.metrics] == pytest.approx(printed, rel=TOLERANCE_LOSS)
    assert [metric.evaluation_loss for metric in done.metrics] == pytest.approx(
        [total / count for total in printed], rel=TOLERANCE_LOSS
    )
    last = done.state().part("model")
    assert last.keys() == weights.keys()
    for name, value in weights.items():
        torch.testing.assert_close(last[name], value, rtol=TOLERANCE_WEIGHTS, atol=TOLERANCE_WEIGHTS)


def test_the_best_epochs_weights_are_kept_where_the_document_keeps_the_last() -> None:
    # Given: a learning rate at which the loss rises again after its best epoch.
    request = classic(seed=3, epochs=4, learning_rate=0.5, hidden_size=32, sample_chars=0)
    text = sample_text(900)
    _, done = run(request, text)
    losses = [metric.evaluation_loss or 0.0 for metric in done.metrics]
    best = min(range(len(losses)), key=losses.__getitem__)
    assert best < len(losses) - 1, "the example must get worse at its end"
    # Then: the weights are those with which the epoch after the best one began.
    assert done.losses.best_epoch == best + 1
    assert done.losses.validation == losses[best]
    first_of_next = next(
        event.state() for event in train(request, text, threads=1) if event.state().facts["epoch"] == best + 1
    )
    for name, value in done.weights.items():
        assert torch.equal(value, first_of_next.part("model")[name])
