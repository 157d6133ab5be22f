"""Watching and waiting continue across restarts of the web server."""

import threading
from collections.abc import Callable, Iterator

import pytest

from charloom import AnyEvent, Charloom, DoneEvent, Event, Job, MetricEvent, Silence, Unreachable
from charloom.calls import run_each
from charloom.stream import watch
from tests.client.scripted import Cutting
from tests.client.stack import ENDLESS, MIDDLING, Stack
from tests.waiting import eventually


@pytest.mark.parametrize("end", ["killed", "terminated"])
def test_events_come_once_each_and_in_order_over_a_restart_of_the_web_server(stack: Stack, end: str) -> None:
    # Given a training that is watched
    job = stack.loom.train(stack.corpus(), **{**MIDDLING, "seed": 3 if end == "killed" else 4})
    seen: list[AnyEvent | Silence] = []
    metrics = 0
    for one in stack.loom.jobs.watch(job):
        seen.append(one)
        metrics += isinstance(one, MetricEvent)
        # When the web server goes away in the middle, and is started again once the client has noticed
        if metrics == 3 and stack.up:
            (stack.kill_web if end == "killed" else stack.end_web)()
        if isinstance(one, Silence) and not stack.up:
            stack.start_web()
    # Then the client has every event that the server has, each once
    events = [one for one in seen if isinstance(one, Event)]
    assert any(isinstance(one, Silence) for one in seen)
    assert [event.id for event in events] == [event.id for event in stack.listed(job)]
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].data.status == "succeeded"


def test_a_wait_goes_on_over_a_restart_of_the_web_server(stack: Stack) -> None:
    job = stack.loom.train(stack.corpus(), **MIDDLING)
    ended: list[Job] = []
    with Charloom(stack.url) as other:
        waiting = threading.Thread(target=lambda: ended.append(other.jobs.wait(job)))
        waiting.start()
        eventually(lambda: stack.loom.jobs.get(job).progress.step > 20, "it trains")
        stack.kill_web()
        stack.start_web()
        waiting.join()
    assert ended[0].status == "succeeded"


def test_a_way_that_cuts_every_connection_loses_no_event_and_doubles_none(stack: Stack) -> None:
    job = stack.train(seed=21)
    wanted = [event.id for event in stack.listed(job)]
    with Cutting(stack.served.port, cut_after=lambda _: 3000) as cutting, Charloom(cutting.url) as loom:
        assert [event.id for event in loom.jobs.events(job)] == wanted
        assert cutting.connections > 3


def test_a_server_that_stays_away_is_given_up_after_the_patience(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    job = stack.loom.train(stack.corpus(), **ENDLESS)
    clock = [0.0]
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    with Charloom(stack.url) as loom:
        monkeypatch.setattr(loom._transport, "sleep", sleep)
        seen = run_each(watch(loom._transport, job.id, patience_s=60, now=lambda: clock[0]))
        next(seen)
        stack.kill_web()
        silences: list[str] = []
        with pytest.raises(Unreachable):
            _collect(seen, silences.append)
    stack.start_web()
    stack.loom.jobs.cancel(job)
    assert "Connection refused" in silences
    assert 60 <= sum(waits) < 70, "about as long as was asked for"
    assert max(waits) <= 5


def _collect(seen: Iterator[AnyEvent | Silence], take: Callable[[str], None]) -> None:
    for one in seen:
        if isinstance(one, Silence):
            take(one.reason)
