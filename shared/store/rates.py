"""Each caller's rate of requests, counted over all web processes."""

from dataclasses import dataclass

from shared.setting_forms import Rate
from shared.store.scripts import Scripts


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What a caller may still send."""

    #: Whether this request is within the rate.
    granted: bool
    #: Requests that may follow at once.
    left: int
    #: Seconds until the full allowance is back.
    full_in_s: float
    #: Seconds until the next request is allowed, if this one isn't.
    retry_s: float


class Rates:
    """Counts requests."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def count(self, caller: str, rate: Rate) -> Allowance:
        """Count a request, unless it comes too early. Raises StoreUnavailable."""
        word, left, full_ms, *retry_ms = self._scripts.run("rate", caller, rate.calls, round(rate.period_s * 1000))
        return Allowance(
            granted=word == "ok",
            left=int(left),
            full_in_s=int(full_ms) / 1000,
            retry_s=int(retry_ms[0]) / 1000 if retry_ms else 0.0,
        )
