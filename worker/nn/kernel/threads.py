"""Runs a function of the compiled layer in several threads, which share nothing and wait only at the end."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from shared.host import processors


@cache
def _pool(_process: int) -> ThreadPoolExecutor:
    """Return the threads of this process; those of its parent don't come along when it is forked."""
    return ThreadPoolExecutor(max_workers=processors(), thread_name_prefix="lstm")


def in_threads(call: Callable[[int, int], object], threads: int) -> None:
    """Call `call(number, threads)` for each number below `threads`, at the same time: ctypes releases Python's lock."""
    waiting = [_pool(os.getpid()).submit(call, number, threads) for number in range(1, threads)]
    call(0, threads)
    for one in waiting:
        one.result()
