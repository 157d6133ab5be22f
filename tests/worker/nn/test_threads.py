"""The threads of the compiled layer: all run at the same time, and none waits for one that never comes."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from shared.host import processors
from tests.worker.layer import compiled_layer
from worker.generation.decoders import packed
from worker.nn.kernel import lanes, threads
from worker.nn.kernel.lanes import Lanes
from worker.nn.kernel.threads import in_threads
from worker.nn.model import CharLSTM
from worker.nn.sampling import Options


def test_more_threads_than_processors_meet() -> None:
    count = 3 * processors() + 5
    meeting, numbers = threading.Barrier(count, timeout=30), []

    def call(number: int, all_: int) -> None:
        meeting.wait()
        numbers.append((number, all_))

    for _ in range(3):
        in_threads(call, count)
    assert sorted(numbers) == sorted([(number, count) for number in range(count)] * 3)


def test_several_callers_have_threads_of_their_own() -> None:
    meeting = threading.Barrier(8, timeout=30)
    callers = [threading.Thread(target=in_threads, args=(lambda *_: meeting.wait(), 4)) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert not meeting.broken
    assert meeting.n_waiting == 0


class _Full:
    """A pool that has one thread, and then no more."""

    def __init__(self) -> None:
        self._left = iter([threads._pool(-1)])

    def submit(self, *given: object) -> object:
        for pool in self._left:
            return pool.submit(*given)  # type: ignore[arg-type]
        raise RuntimeError("can't start new thread")


@pytest.fixture
def _full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pool = _Full()
    monkeypatch.setattr(threads, "_pool", lambda _: pool)
    yield
    monkeypatch.undo()


@pytest.mark.usefixtures("_full")
def test_a_thread_that_has_begun_ends_where_the_others_cant_begin() -> None:
    model = CharLSTM(vocab_size=4, hidden_size=32, embedding_size=4)
    model.fuse(compiled_layer().with_threads(3), bfloat16=False)
    codes = torch.zeros(6, 20, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="new thread"):
        model.learn(codes, codes)


@pytest.mark.usefixtures("_full")
def test_a_text_whose_windows_threads_cant_share_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "cores", lambda: 3)
    weights = packed(CharLSTM(vocab_size=4, hidden_size=32))
    assert weights is not None
    text = Lanes(weights, Options(temperature=0), window=60)
    with pytest.raises(RuntimeError, match="new thread"):
        text.read(np.zeros(60, np.int32))
