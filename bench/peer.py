"""A process of its own for a peer, as anybody would start it: whose threads wait for one another by spinning.

That is OpenMP's default, and on an idle machine faster than a worker's way, as long as nobody else wants the cores.
"""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
#: How often libgomp looks before it sleeps unless it is told how to wait: for some milliseconds. Set, it counts more
#: than OMP_WAIT_POLICY, which the benches have from the worker's package.
_SPINS = "300000"


class PeerProcess:
    """Calls functions of modules there, one at a time."""

    def __init__(self) -> None:
        os.environ["GOMP_SPINCOUNT"] = _SPINS
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        self._pool.submit(os.getpid).result()  # starts it
        del os.environ["GOMP_SPINCOUNT"]

    def call(self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Return what the function returns there; arguments and results are copied."""
        return self._pool.submit(function, *arguments, **named).result()
