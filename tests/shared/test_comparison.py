"""How a loss and its baselines are compared in words."""

from typing import Any

import pytest

from shared.jobs.comparison import compare, describe_baselines

BASELINES = {"unigram": 3.0, "ngram": {"order": 6, "loss": 1.61}, "xz": 1.75}
USUAL = {"learning_rate": 0.01, "grad_clip": 1.0}
RATE_AND_CLIP = "a smaller learning_rate than 1 and grad_clip 1"
WILD = {"learning_rate": 1.0, "grad_clip": 0.0}


@pytest.mark.parametrize(
    ("loss", "params", "reason", "text", "advice"),
    [
        (1.25, USUAL, "completed", "Guessing by the last five letters reaches 1.61 nats; this model 1.25.", ""),
        (1.25, WILD, "", "Guessing by the last five letters reaches 1.61 nats; this model 1.25.", ""),
        (2.75, WILD, "completed", "five letters: 2.75 nats against 1.61.", RATE_AND_CLIP),
        (3.5, {"grad_clip": 0}, "completed", "letter frequencies: 3.50 nats against 3.00.", "grad_clip 1"),
        (1.62, USUAL, "time_limit", "five letters: 1.62 nats against 1.61.", "a longer time limit (max_seconds)"),
        (2, USUAL, "completed", "five letters: 2.00 nats against 1.61.", "more epochs"),
        (2, {}, "early_stopped", "five letters: 2.00 nats against 1.61.", "a longer text"),
    ],
)
def test_a_loss_is_compared_in_words(loss: float, params: dict[str, Any], reason: str, text: str, advice: str) -> None:
    found = compare(loss, BASELINES, params, reason)
    assert found is not None
    assert found.worse == bool(advice) == found.text.startswith("This model is worse than guessing by ")
    assert found.text.endswith(f"{text} Try {advice}." if advice else text)


def test_shorter_ngrams_are_named_and_what_is_unknown_is_not_compared() -> None:
    found = compare(1.0, BASELINES | {"ngram": {"order": 4, "loss": 1.61}}, USUAL)
    assert found is not None
    assert found.text.startswith("Guessing by the last three letters reaches")
    assert compare(None, BASELINES, USUAL) is None
    assert compare(1.0, None, USUAL) is None
    assert describe_baselines(BASELINES) == "unigram 3.000, 6-gram 1.610, xz 1.750"
