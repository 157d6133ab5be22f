"""Plans how many steps fit into `max_seconds`, so that the learning rate has decayed by the end."""

import math

from worker.training.classic import Classic
from worker.training.loop_state import LoopState
from worker.training.speeds import Speeds
from worker.training.stream import Stream

#: The steps are planned for the first time after this many steps and this share of the time, at most this many seconds,
#: and again after each tenth of the time, since other processes come and go.
PLAN_AFTER_STEPS, PLAN_AFTER_SHARE, PLAN_AFTER_S, PLAN_AGAIN_SHARE = 8, 0.05, 3.0, 0.1
#: Share of the remaining time that steps are planned for.
PLAN_USE = 0.97
#: The last evaluation is skipped if it would take more than this share of the time.
LAST_EVALUATION_SHARE = 0.2


class TimeBudget:
    """The time limit of one training; without `max_seconds` it never ends.

    Arguments:
        loop: read, and changed by `plan` alone.
        speeds: of steps and evaluation batches in this process.
        most_steps: steps of all epochs.
    """

    def __init__(
        self, loop: LoopState, recipe: Classic | Stream, speeds: Speeds, *, max_seconds: float | None, most_steps: int
    ) -> None:
        self._loop, self._recipe, self._speeds = loop, recipe, speeds
        self._limit, self._most_steps = math.inf if max_seconds is None else max_seconds, most_steps

    @staticmethod
    def first_plan_at(max_seconds: float) -> float:
        """Return after how many computing seconds the speed is known well enough for a plan."""
        return min(PLAN_AFTER_S, PLAN_AFTER_SHARE * max_seconds)

    def plan(self) -> None:
        """Set `total_steps` to what fits, if a plan is due."""
        loop = self._loop
        if loop.plan_at is None or loop.seconds < loop.plan_at or loop.step < PLAN_AFTER_STEPS:
            return
        loop.plan_at = loop.seconds + PLAN_AGAIN_SHARE * self._limit
        evaluation = self._reserved_seconds()
        remaining = (self._limit - loop.seconds - evaluation) * PLAN_USE
        per_step = self._speeds.seconds_per_step.value + evaluation / self._recipe.batches
        loop.total_steps = min(self._most_steps, loop.step + max(1, int(remaining / per_step)))

    def is_spent(self) -> bool:
        """Return True if there is no time for another step before the last evaluation."""
        return self._loop.seconds + self._speeds.seconds_per_step.value + self._reserved_seconds() >= self._limit

    def allows_evaluation(self) -> bool:
        """Return True if an evaluation is short enough to be made at the end of the time."""
        return self._evaluation_seconds() <= LAST_EVALUATION_SHARE * self._limit

    def is_overrun(self) -> bool:
        """Return True if the machine has become so slow that a running evaluation must be stopped."""
        return self._loop.seconds > self._limit * (1 + LAST_EVALUATION_SHARE) + 1

    def _reserved_seconds(self) -> float:
        return self._evaluation_seconds() if self.allows_evaluation() else 0.0

    def _evaluation_seconds(self) -> float:
        guess = self._recipe.evaluation_cost * self._speeds.seconds_per_step.value
        return self._recipe.evaluation_batches * (self._speeds.seconds_per_evaluation_batch.value or guess)
