"""Runs a function of the compiled layer in several threads, all at the same time: they may wait for one another."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

#: More than there will be: a call that waited for a thread would wait forever if that waits for the call.
_MOST_THREADS = 10_000


@cache
def _pool(_process: int) -> ThreadPoolExecutor:
    """Return the threads of this process, made as they are needed; those of its parent don't come along in a fork."""
    return ThreadPoolExecutor(max_workers=_MOST_THREADS, thread_name_prefix="lstm")


def in_threads(call: Callable[[int, int], object], threads: int, *, stop: Callable[[], object] = lambda: None) -> None:
    """Call `call(number, threads)` for each number below `threads`, at the same time: ctypes releases Python's lock.

    stop: is called if not all calls could be made, so that those that were end without the others.
    """
    waiting: list[Future[object]] = []  # those that have begun, should not all begin
    try:
        waiting.extend(_pool(os.getpid()).submit(call, number, threads) for number in range(1, threads))
        call(0, threads)
    except BaseException:
        stop()
        raise
    finally:
        for one in waiting:
            one.result()
