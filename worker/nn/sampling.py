"""Sampling the next character from the logits: temperature, top-k and top-p. Knows no model.

Everything is computed in float64: in float32 the cumulative probabilities of a large vocabulary miss 1 by more than the
probability of a rare character. The compiled decoder (worker/nn/kernel/write.c) follows the same rules with the same
numbers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Random numbers drawn at once; a call for each character would cost more than the rest of sampling.
_DRAWN = 512


@dataclass(frozen=True, kw_only=True)
class Options:
    """How characters are sampled."""

    #: The logits are divided by it; 0 takes the likeliest character, the first of equals.
    temperature: float
    #: Sample from this many likeliest characters only; of equals the first ones.
    top_k: int | None = None
    #: Sample from the fewest likeliest characters whose probabilities reach this sum, after `top_k`.
    top_p: float | None = None


class Sampler:
    """Samples the characters of one text.

    Arguments:
        options: how.
        rng: draws one number for each character, whatever the options, unless the temperature is 0.
    """

    def __init__(self, options: Options, rng: np.random.Generator) -> None:
        self.options, self._rng = options, rng
        self._drawn: NDArray[np.float64] = np.empty(0)
        self._next = 0
        #: The number that `choose` drew last.
        self.last_draw = 0.0

    def choose(self, logits: NDArray[np.float32]) -> int:
        """Return the index of the next character; logits: (V,) float32."""
        if not self.options.temperature:
            return int(logits.argmax())
        self.last_draw = float(self.draw(1)[0])
        return _place(self._weights(logits), self.last_draw)

    def choose_other(self, logits: NDArray[np.float32], chosen: int, draw: float) -> int:
        """Return the index of another character than the one that was chosen by this number.

        What the number says within the chosen character's share is the number for the others, so each of them has its
        probability by the logits without the chosen one, and no further number is drawn.
        """
        if self.options.temperature:
            weights = self._weights(logits)
            sums = weights.cumsum()
            within = (draw * sums[-1] - (sums[chosen] - weights[chosen])) / weights[chosen]
            weights[chosen] = 0
            if weights.any():
                return _place(weights, min(max(within, 0.0), 1.0))
        others = logits.astype(np.float64)
        others[chosen] = -np.inf
        return int(others.argmax())

    def _weights(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return what the characters' probabilities are proportional to, (V,)."""
        options = self.options
        weights = logits.astype(np.float64)
        weights -= np.maximum.reduce(weights)  # weights.max() takes twice as long
        weights /= options.temperature
        np.exp(weights, out=weights)
        if options.top_k is not None and options.top_k < len(weights):
            weights[np.argsort(-weights, kind="stable")[options.top_k :]] = 0
        if options.top_p is not None and options.top_p < 1:
            order = np.argsort(-weights, kind="stable")
            sums = weights[order].cumsum()
            weights[order[int(sums.searchsorted(options.top_p * sums[-1])) + 1 :]] = 0
        return weights

    def draw(self, count: int) -> NDArray[np.float64]:
        """Return the next random numbers, one for each of `count` characters."""
        if self._next + count > len(self._drawn):
            more = self._rng.random(max(_DRAWN, count))
            self._drawn, self._next = np.concatenate([self._drawn[self._next :], more]), 0
        self._next += count
        return self._drawn[self._next - count : self._next]


def _place(weights: NDArray[np.float64], draw: float) -> int:
    """Return the index of the character whose share a number in 0..1 falls into."""
    sums = weights.cumsum()
    place = int(sums.searchsorted(draw * sums[-1], side="right"))
    # A draw that is rounded up to the whole sum means the last character that has any probability.
    return place if place < len(sums) else int(sums.searchsorted(sums[-1]))
