"""Waiting for a condition instead of sleeping: the only clock that tests look at, and it only gives up."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

#: Seconds between two looks.
LOOK_S = 0.02


def eventually(look: Callable[[], Found], what: str = "", *, within_s: float = 60) -> Found:
    """Look until the answer is true, and return it.

    Raises:
        AssertionError: it wasn't true within `within_s` seconds, which is far longer than it should take.
    """
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"still not so after {within_s:g} s: {what or look}"
        time.sleep(LOOK_S)
