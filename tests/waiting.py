"""Waiting for a condition instead of sleeping: the only clock that tests read, and it only gives up."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

#: Seconds between two checks: a share of the time waited so far, within bounds. A check may take milliseconds of the
#: processor, as a request over HTTP does.
LOOK_SHARE, MIN_LOOK_S, MAX_LOOK_S = 0.05, 0.01, 0.2


def eventually(condition: Callable[[], Found], what: str = "", *, within_s: float = 120) -> Found:
    """Evaluate a condition until it is true, and return its value.

    Raises:
        AssertionError: it wasn't true within `within_s` seconds, which is far longer than it should take.
    """
    began = time.monotonic()
    while True:
        found = condition()
        if found:
            return found
        waited = time.monotonic() - began
        assert waited < within_s, f"still not so after {within_s:g} s: {what or condition}"
        time.sleep(min(MAX_LOOK_S, max(MIN_LOOK_S, waited * LOOK_SHARE)))
