"""How often each caller calls, counted for all web processes together."""

from dataclasses import dataclass

from shared.settings import Rate
from shared.store.scripts import Scripts


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """Where a caller stands."""

    #: Whether this call may be answered.
    granted: bool
    #: Calls that may follow at once.
    left: int
    #: Seconds until all of them are there again.
    full_in_s: float
    #: Seconds until the next call may come, where this one may not.
    retry_s: float


class Rates:
    """Counts calls."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def count(self, caller: str, rate: Rate) -> Allowance:
        """Count a call, unless it comes too early. Raises StoreUnavailable."""
        word, left, full_ms, *retry_ms = self._scripts.run("rate", caller, rate.calls, round(rate.period_s * 1000))
        return Allowance(
            granted=word == "ok",
            left=int(left),
            full_in_s=int(full_ms) / 1000,
            retry_s=int(retry_ms[0]) / 1000 if retry_ms else 0.0,
        )
