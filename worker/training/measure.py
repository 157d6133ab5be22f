"""Measures how fast this host trains: two short trainings in a process forked for it, at the lowest priority.

It is forked right after the pool's children, from a parent that has imported torch and computed nothing with it, so
torch isn't imported again, and an OpenMP operation in the child doesn't hang it (worker/celery.py).
"""

import ctypes
import itertools
import logging
import multiprocessing
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from shared.requests.estimate import STEP_POSITIONS, Speed, step_seconds
from shared.requests.options import StreamRequest
from worker.nn.kernel import load
from worker.nn.precision import has_bfloat16
from worker.training.train import train

log = logging.getLogger(__name__)

#: Seconds for each training, its first steps not counted, and steps at most.
_EACH_S, _WARM_STEPS, _MAX_STEPS = 0.4, 3, 40
#: Linux' prctl option: the signal to get when the parent dies.
_PR_SET_PDEATHSIG = 1
#: Two events closer than this have no step between them, seconds.
_NO_STEP_S = 1e-4
_TEXT = "the quick brown fox jumps over the lazy dog and runs, while 12 crows look on. " * 60
_SMALL: Mapping[str, Any] = {"hidden_size": 32, "embedding_size": 16, "batch_size": 1, "seq_length": 50}
_LARGE: Mapping[str, Any] = {"hidden_size": 256, "batch_size": 16, "seq_length": 50}


class Measurement:
    """A measurement in the background, until its result is read or it is stopped."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("fork")
        self._answer, there = context.Pipe(duplex=False)
        self._process = context.Process(target=_measure_for, args=(there, threads), name="measure", daemon=True)
        self._process.start()
        there.close()

    def found(self) -> Speed | None:
        """Return the speed once it is measured; None until then, and if measuring failed."""
        if self._answer.closed or not self._answer.poll():
            return None
        try:
            speed: Speed = self._answer.recv()
        except EOFError:
            log.warning("The speed of this host could not be measured; estimates don't include it")
            return None
        finally:
            self.stop()
        return speed

    def stop(self) -> None:
        """End it."""
        self._answer.close()
        self._process.kill()
        self._process.join(timeout=5)


def measure(threads: int, *, clock: Callable[[], float] = time.perf_counter) -> Speed:
    """Return the speed of a training on this many threads. Takes about a second and sets torch's threads."""
    chars, vocab_size = len(_TEXT), len(set(_TEXT))
    small, large = _request(_SMALL), _request(_LARGE)
    # Two unknowns, two measurements; each is linear in both.
    waiting, arithmetic = (
        Speed(seconds_per_position=1, flops_per_second=1e30),
        Speed(seconds_per_position=0, flops_per_second=1),
    )
    (a, b), (c, d) = (
        (step_seconds(request, chars, vocab_size, waiting), step_seconds(request, chars, vocab_size, arithmetic))
        for request in (small, large)
    )
    first, second = _step(small, threads, clock), _step(large, threads, clock)
    per_flop = max(second / d * 0.1, (a * second - c * first) / (a * d - b * c))
    per_position = max(first / (50 + STEP_POSITIONS) * 0.1, (first - b * per_flop) / a)
    bfloat16 = 0.0
    if has_bfloat16() or ((kernel := load()) is not None and kernel.eight_bits):
        seconds = _step(large.model_copy(update={"precision": "auto"}), threads, clock)
        bfloat16 = d / max(seconds * 0.1, seconds - c * per_position)
    return Speed(
        seconds_per_position=per_position,
        flops_per_second=1 / per_flop,
        bfloat16_flops_per_second=bfloat16,
        # Without the compiled layer all threads have computed the few batch rows that were measured.
        threads=1 if load() is None else threads,
    )


def _request(sizes: Mapping[str, Any]) -> StreamRequest:
    return StreamRequest(
        corpus_id="none",
        seed=1,
        epochs=1000,
        sample_chars=0,
        validation_fraction=0,
        patience=0,
        precision="float32",
        **sizes,
    )


def _step(request: StreamRequest, threads: int, clock: Callable[[], float]) -> float:
    """Return the seconds of one step, the lower quartile: other processes can only make it slower."""
    training = train(request, _TEXT, threads=threads)
    times: list[float] = []
    until = float("inf")
    for _ in itertools.islice(training, 2 * _MAX_STEPS):
        now = clock()
        times.append(now)
        if len(times) == _WARM_STEPS:
            until = now + _EACH_S
        if now > until and len(times) > 2 * _WARM_STEPS:
            break
    training.close()
    between = (after - before for before, after in itertools.pairwise(times[_WARM_STEPS - 1 :]))
    return statistics.quantiles([took for took in between if took > _NO_STEP_S], n=4)[0]


def _measure_for(answer: Connection, threads: int) -> None:
    """Measure in a process of its own, which must neither outlive its parent nor slow a training down."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    os.nice(19)
    answer.send(measure(threads))
    answer.close()
