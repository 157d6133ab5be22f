"""Chooses a base for a training that leaves its start to the service: the bases are tried on a sample of the text."""

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import NotFound
from shared.jobs.record import StartingPoint
from shared.requests.defaults import MAX_BASE_FACTOR
from shared.requests.options import ClassicRequest, StreamRequest
from shared.volume import Corpus, Model, Volume

if TYPE_CHECKING:
    from shared.bases import trial

log = logging.getLogger(__name__)

#: Sizes that a request may give, which a base must then have.
_SIZES = ("hidden_size", "layers", "embedding_size")


@dataclass(frozen=True, kw_only=True)
class _Trial:
    """How well a base reads a text."""

    base: Model
    loss: float


def choose(
    volume: Volume, request: ClassicRequest | StreamRequest, corpus: Corpus, *, packaged_bases: bool
) -> tuple[Model | None, StartingPoint]:
    """Return the base that a training starts from, None: random weights; and why, without the model's name.

    Args:
        volume: holds the bases.
        request: as it would be fitted for random weights; which options were given says `model_fields_set`.
        corpus: the text.
        packaged_bases: whether the bases that come with Charloom belong on the volume. A worker puts them there when it
            starts; a training that is sent earlier has them put there first.
    """
    bases = volume.models.bases()
    if not bases and packaged_bases:
        from shared.bases import packaged  # noqa: PLC0415

        packaged.install_if_possible(volume)
        bases = volume.models.bases()
    if not bases:
        return None, StartingPoint(reason="there are no bases")
    given = request.model_dump(include=set(_SIZES) & request.model_fields_set)
    fitting = [base for base in bases if given.items() <= base.params.items()]
    if not fitting:
        sizes = ", ".join(f"{name} {value}" for name, value in given.items())
        return None, StartingPoint(reason=f"no base has {sizes}")
    wide = [base for base in fitting if request.hidden_size <= MAX_BASE_FACTOR * base.params["hidden_size"]]
    if not wide:
        reason = f"in this time {request.hidden_size} units learn more from random weights than a narrower base"
        return None, StartingPoint(reason=reason)
    trials = [one for base in wide if (one := _tried(volume, base, corpus, lowercase=request.lowercase))]
    if not trials:
        return None, StartingPoint(reason="no base can be read")
    pairs = _pairs_loss(volume.corpora.text_path(corpus.id), corpus.chars, request.lowercase)
    best = min(trials, key=lambda one: one.loss)
    helps = best.loss < pairs
    comparison = (
        f"{best.base.name} predicts a sample of the text with {best.loss:.2f} nats per character, "
        f"counts of letter pairs with {pairs:.2f}"
    )
    reason = comparison if helps else f"no base knows this language: {comparison}"
    return best.base if helps else None, StartingPoint(reason=reason, loss=best.loss, pairs_loss=pairs)


def _tried(volume: Volume, base: Model, corpus: Corpus, *, lowercase: bool) -> _Trial | None:
    """Try a base on a text. None if its weights can't be read, as those of one that is being deleted."""
    try:
        weights = volume.models.weights_path(base.id)
        text = volume.corpora.text_path(corpus.id)
        return _Trial(base=base, loss=_loss(weights, base.vocabulary, text, corpus.chars, lowercase))
    except (NotFound, OSError, ValueError, KeyError) as exc:
        log.warning("The base %s can't be tried: %s", base.id, exc)
        return None


# What needs numpy is imported when the first base is tried: a web server without bases does without.


@lru_cache(maxsize=256)
def _loss(weights: Path, vocabulary: str, text: Path, chars: int, lowercase: bool) -> float:
    from shared.bases import trial  # noqa: PLC0415

    return trial.loss(_weights(weights), vocabulary, _sample(text, chars, lowercase))


@lru_cache(maxsize=256)
def _pairs_loss(text: Path, chars: int, lowercase: bool) -> float:
    from shared.bases import trial  # noqa: PLC0415

    return trial.pairs_loss(_sample(text, chars, lowercase))


@lru_cache(maxsize=2)
def _sample(text: Path, chars: int, lowercase: bool) -> "trial.Sample":
    from shared.bases import trial  # noqa: PLC0415

    return trial.sample(text, chars=chars, lowercase=lowercase)


@lru_cache(maxsize=2)
def _weights(path: Path) -> "trial.Weights":
    from shared.bases import trial  # noqa: PLC0415

    return trial.read_weights(path)
