"""The output layer's own learning rate, high in the first epochs."""

import pytest

from shared.requests.options import ClassicRequest, StreamRequest
from tests.worker.short_trainings import assert_resumed_exactly, classic, record_steps, run, sample_text, stream

TEXT = sample_text(2000)


@pytest.mark.parametrize(
    ("request_", "factors"),
    [
        (stream(epochs=4, output_learning_rate_factor=4), [4, 2.5, 2, 1.75]),
        (stream(epochs=2), [1, 1]),
        (classic(epochs=2), [1, 1]),
    ],
)
def test_it_falls_towards_the_others(
    monkeypatch: pytest.MonkeyPatch, request_: StreamRequest | ClassicRequest, factors: list[float]
) -> None:
    made = record_steps(monkeypatch)
    _, done = run(request_, TEXT)
    assert [factor for _, factor in made] == [factor for factor in factors for _ in range(done.step // len(factors))]


def test_a_training_resumed_in_a_later_epoch_is_exact() -> None:
    assert_resumed_exactly(stream(epochs=4, output_learning_rate_factor=4), TEXT, at=0.6)
