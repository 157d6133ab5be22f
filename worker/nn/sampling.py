"""Choosing the next character from the logits: temperature, top-k, top-p, and the drawing. Knows no model.

Everything is computed in float64: in float32 the cumulated probabilities of a large vocabulary miss 1 by more than a
rare character has. The compiled writer (worker/nn/kernel/write.c) chooses by the same rules and the same numbers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Random numbers drawn at once; a call for each character would cost more than the rest of the choice.
_DRAWN = 512


@dataclass(frozen=True, kw_only=True)
class Options:
    """How characters are chosen."""

    #: What the logits are divided by; 0 takes the likeliest, the first among equals.
    temperature: float
    #: Choose among this many likeliest only; of equals the first ones.
    top_k: int | None = None
    #: Choose among the fewest likeliest characters whose probabilities reach this sum, after `top_k`.
    top_p: float | None = None


class Sampler:
    """Chooses characters for one text.

    Arguments:
        options: how.
        rng: where the chance comes from; one number for each character, whatever the options but temperature 0.
    """

    def __init__(self, options: Options, rng: np.random.Generator) -> None:
        self.options, self._rng = options, rng
        self._drawn: NDArray[np.float64] = np.empty(0)
        self._next = 0

    def choose(self, logits: NDArray[np.float32]) -> int:
        """Return the index of the next character; logits: (V,) float32."""
        options = self.options
        if not options.temperature:
            return int(logits.argmax())
        weights = logits.astype(np.float64)
        weights -= np.maximum.reduce(weights)  # the method max() takes twice as long
        weights /= options.temperature
        np.exp(weights, out=weights)
        if options.top_k is not None and options.top_k < len(weights):
            weights[np.argsort(-weights, kind="stable")[options.top_k :]] = 0
        if options.top_p is not None and options.top_p < 1:
            order = np.argsort(-weights, kind="stable")
            sums = weights[order].cumsum()
            weights[order[int(sums.searchsorted(options.top_p * sums[-1])) + 1 :]] = 0
        sums = weights.cumsum()
        place = int(sums.searchsorted(self.draw(1)[0] * sums[-1], side="right"))
        # A draw that rounding lifts to the whole sum belongs to the last character that has any probability.
        return place if place < len(sums) else int(sums.searchsorted(sums[-1]))

    def draw(self, count: int) -> NDArray[np.float64]:
        """Return the next random numbers, one for each of `count` characters."""
        if self._next + count > len(self._drawn):
            more = self._rng.random(max(_DRAWN, count))
            self._drawn, self._next = np.concatenate([self._drawn[self._next :], more]), 0
        self._next += count
        return self._drawn[self._next - count : self._next]
