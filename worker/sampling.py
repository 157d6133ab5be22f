"""Choosing the next character from the logits: temperature, top-k, top-p, and the drawing. Knows no model.

Everything is computed in float64: in float32 the cumulated probabilities of a large vocabulary miss 1 by more than a
rare character has.
"""

import numpy as np
from numpy.typing import NDArray

#: Random numbers drawn at once; a call for each character would cost more than the rest of the choice.
_DRAWN = 512


class Sampler:
    """Chooses characters for one text.

    Arguments:
        temperature: what the logits are divided by; 0 takes the likeliest, the first among equals.
        top_k: choose among this many likeliest only; of equals the first ones.
        top_p: choose among the fewest likeliest characters whose probabilities reach this sum, after `top_k`.
        rng: where the chance comes from; one number for each character, whatever the options.
    """

    def __init__(
        self, *, temperature: float, top_k: int | None = None, top_p: float | None = None, rng: np.random.Generator
    ) -> None:
        self._temperature, self._top_k, self._top_p, self._rng = temperature, top_k, top_p, rng
        self._drawn: list[float] = []

    def choose(self, logits: NDArray[np.float32]) -> int:
        """Return the index of the next character; logits: (V,) float32."""
        if not self._temperature:
            return int(logits.argmax())
        weights = logits.astype(np.float64)
        weights -= np.maximum.reduce(weights)  # the method max() takes twice as long
        weights /= self._temperature
        np.exp(weights, out=weights)
        if self._top_k is not None and self._top_k < len(weights):
            weights[np.argsort(-weights, kind="stable")[self._top_k :]] = 0
        if self._top_p is not None and self._top_p < 1:
            order = np.argsort(-weights, kind="stable")
            sums = weights[order].cumsum()
            weights[order[int(sums.searchsorted(self._top_p * sums[-1])) + 1 :]] = 0
        sums = weights.cumsum()
        place = int(sums.searchsorted(self._draw() * sums[-1], side="right"))
        # A draw that rounding lifts to the whole sum belongs to the last character that has any probability.
        return place if place < len(sums) else int(sums.searchsorted(sums[-1]))

    def _draw(self) -> float:
        if not self._drawn:
            self._drawn = self._rng.random(_DRAWN).tolist()
            self._drawn.reverse()
        return self._drawn.pop()
