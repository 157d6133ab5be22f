"""How fast a training goes in this process. Knows work units and seconds.

A unit of work is one training batch; evaluation batches count as fractions of one.
"""

import math
from dataclasses import dataclass

#: Time constant of the averages, seconds.
_AVERAGED_S = 10.0


@dataclass
class FadingRatio:
    """The quotient of two sums whose older terms fade exponentially."""

    numerator: float = 0.0
    denominator: float = 0.0

    def add(self, numerator: float, denominator: float, seconds: float) -> None:
        """Add to both sums what was counted in the last `seconds`."""
        fade = math.exp(-seconds / _AVERAGED_S)
        self.numerator = self.numerator * fade + numerator
        self.denominator = self.denominator * fade + denominator

    @property
    def value(self) -> float:
        """The quotient; 0 before anything was added."""
        return self.numerator / self.denominator if self.denominator > 0 else 0.0


class Speeds:
    """Speeds of this process. They aren't part of a training's state: another process measures its own."""

    def __init__(self) -> None:
        self.characters_per_second = FadingRatio()
        self.seconds_per_work = FadingRatio()
        self.seconds_per_step = FadingRatio()
        self.seconds_per_evaluation_batch = FadingRatio()
        self._new_characters = 0

    def trained(self, seconds: float, characters: int) -> None:
        """Count one training batch."""
        self._new_characters += characters
        self.characters_per_second.add(characters, seconds, seconds)
        self.seconds_per_work.add(seconds, 1, seconds)
        self.seconds_per_step.add(seconds, 1, seconds)

    def take_new_characters(self) -> int:
        """Return how many characters were trained on since this was last called."""
        taken, self._new_characters = self._new_characters, 0
        return taken

    def evaluated(self, seconds: float, work: float) -> None:
        """Count one evaluation batch."""
        self.seconds_per_work.add(seconds, work, seconds)
        self.seconds_per_evaluation_batch.add(seconds, 1, seconds)


class Timer:
    """Limits how often something is done."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._last = -math.inf

    def is_due(self, now: float) -> bool:
        """Return True if the interval has passed since this last returned True."""
        if now - self._last < self._interval_s:
            return False
        self._last = now
        return True
