"""How a model's loss compares with its baselines, in words: for pages and the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.jobs.rows import BASELINES, Baselines
from shared.requests.options import StreamRequest

_COUNTS = {2: "two", 3: "three", 4: "four", 5: "five"}
_USUAL_RATE: float = StreamRequest.model_fields["learning_rate"].default
#: By the reason that the training ended for; for the others the text is too short.
_MORE_TRAINING = {"time_limit": "a longer time limit (max_seconds)", "completed": "more epochs"}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A model's loss and its baselines."""

    #: One sentence or two.
    text: str
    #: Whether a baseline is better than the model.
    worse: bool


def compare(
    loss: float | None,
    baselines: Baselines | Mapping[str, Any] | None,
    params: Mapping[str, Any],
    stop_reason: str = "",
) -> Comparison | None:
    """Compare the loss that a model is kept for with its baselines; None if either isn't known.

    Args:
        loss: on the validation part, nats per character.
        baselines: those of the training, or their JSON.
        params: options of the training.
        stop_reason: why it ended, if known.
    """
    if loss is None or not baselines:
        return None
    known = baselines if isinstance(baselines, Baselines) else BASELINES.validate_python(baselines)
    ngram = known.ngram.loss
    before = known.ngram.order - 1
    guessing = f"guessing by the last {_COUNTS.get(before, before)} letters"
    if loss <= min(ngram, known.unigram):
        return Comparison(text=f"G{guessing[1:]} reaches {ngram:.2f} nats; this model {loss:.2f}.", worse=False)
    better, reached = (guessing, ngram) if loss <= known.unigram else ("guessing by letter frequencies", known.unigram)
    text = f"This model is worse than {better}: {loss:.2f} nats against {reached:.2f}."
    return Comparison(text=f"{text} Try {_advice(params, stop_reason)}.", worse=True)


def describe_baselines(baselines: Baselines | Mapping[str, Any]) -> str:
    """Name the baselines and their losses: "unigram 3.347, 6-gram 1.523, xz 1.783"."""
    known = baselines if isinstance(baselines, Baselines) else BASELINES.validate_python(baselines)
    return f"unigram {known.unigram:.3f}, {known.ngram.order}-gram {known.ngram.loss:.3f}, xz {known.xz:.3f}"


def _advice(params: Mapping[str, Any], stop_reason: str) -> str:
    rate = params.get("learning_rate") or 0
    changes = [f"a smaller learning_rate than {rate:g}"] if rate > _USUAL_RATE else []
    changes += ["grad_clip 1"] if params.get("grad_clip") == 0 else []
    return " and ".join(changes) or _MORE_TRAINING.get(stop_reason, "a longer text")
