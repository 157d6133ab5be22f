"""One thread beats for one job after another, and never for one that has ended."""

import threading

import pytest

from tests.waiting import eventually
from worker.jobs import lease_renewer as module
from worker.jobs.lease_renewer import LeaseRenewer


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.001)


def test_it_beats_until_beat_returns_false() -> None:
    lease_renewer = LeaseRenewer()
    beats: list[int] = []

    def beat() -> bool:
        beats.append(1)
        return len(beats) < 4

    lease_renewer.begin(beat)
    eventually(lambda: not lease_renewer.beating)
    assert len(beats) == 4


def test_the_beat_at_hand_is_over_when_it_has_ended_and_none_follows() -> None:
    lease_renewer, inside, go_on = LeaseRenewer(), threading.Event(), threading.Event()
    begun: list[str] = []
    done: list[str] = []

    def beat() -> bool:
        begun.append("beat")
        inside.set()
        go_on.wait(60)
        done.append("beat")
        return True

    lease_renewer.begin(beat)
    assert inside.wait(60)
    threading.Timer(0.01, go_on.set).start()
    lease_renewer.end()
    # Where this thread had to wait for a processor, another beat may have come before the end.
    ended = list(done)
    assert ended
    assert ended == begun
    assert not lease_renewer.beating
    threading.Event().wait(0.05)  # many times that between two beats
    assert begun == ended


def test_one_job_follows_another_on_the_same_thread() -> None:
    lease_renewer = LeaseRenewer()
    seen: set[int] = set()
    for _ in range(20):
        beaten = threading.Event()

        def beat(beaten: threading.Event = beaten) -> bool:
            seen.add(threading.get_ident())
            beaten.set()
            return True

        lease_renewer.begin(beat)
        assert beaten.wait(60)
        lease_renewer.end()
    assert len(seen) == 1


def test_a_job_that_ended_before_its_first_beat_never_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 60)
    lease_renewer, ended, beaten = LeaseRenewer(), threading.Event(), threading.Event()
    waiters = lease_renewer._changed._waiters  # type: ignore[attr-defined]
    lease_renewer.begin(lambda: ended.set() is None)  # type: ignore[func-returns-value]
    eventually(lambda: waiters, "it waits for the first beat")
    lease_renewer.end()
    lease_renewer.begin(lambda: beaten.set() is None)  # type: ignore[func-returns-value]
    eventually(lambda: waiters, "it has seen the next job")
    monkeypatch.setattr(module, "BEAT_S", 0.001)
    with lease_renewer._changed:
        lease_renewer._changed.notify()
    assert beaten.wait(60)
    assert not ended.is_set()
    lease_renewer.end()


def test_a_thread_that_died_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    lease_renewer, beaten = LeaseRenewer(), threading.Event()

    def break_down() -> bool:
        raise OSError

    lease_renewer.begin(break_down)
    eventually(lambda: not lease_renewer.beating)
    lease_renewer.end()
    lease_renewer.begin(lambda: beaten.set() is None)  # type: ignore[func-returns-value]
    assert beaten.wait(60)
    lease_renewer.end()
