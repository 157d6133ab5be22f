"""How far a training is, how fast it goes and how long it will take. Knows work units and seconds, no network.

A unit of work is one training batch; evaluation batches are counted as parts of one.
"""

import math
from dataclasses import dataclass

#: Seconds over which the speed shown is averaged.
_WINDOW_S = 10.0


@dataclass
class Mean:
    """A quotient of two sums whose older parts fade."""

    above: float = 0.0
    below: float = 0.0

    def add(self, above: float, below: float, seconds: float) -> None:
        """Count `above` and `below`, which took `seconds`."""
        fade = math.exp(-seconds / _WINDOW_S)
        self.above, self.below = self.above * fade + above, self.below * fade + below

    @property
    def value(self) -> float:
        """The quotient; 0 before anything was counted."""
        return self.above / self.below if self.below > 0 else 0.0


class Pace:
    """Speeds of this process: nothing here decides a step, so nothing here is part of the training's state."""

    def __init__(self) -> None:
        self.characters_per_second = Mean()
        self.seconds_per_work = Mean()
        self.seconds_per_step = Mean()
        self.seconds_per_evaluation_batch = Mean()

    def trained(self, seconds: float, characters: int) -> None:
        """Count one training batch."""
        self.characters_per_second.add(characters, seconds, seconds)
        self.seconds_per_work.add(seconds, 1, seconds)
        self.seconds_per_step.add(seconds, 1, seconds)

    def evaluated(self, seconds: float, work: float) -> None:
        """Count one evaluation batch."""
        self.seconds_per_work.add(seconds, work, seconds)
        self.seconds_per_evaluation_batch.add(seconds, 1, seconds)


class Beat:
    """Says when something is due again, by a clock."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._last = -math.inf

    def due(self, now: float) -> bool:
        """Return True if `every` has passed since this last said yes."""
        if now - self._last < self._every:
            return False
        self._last = now
        return True
