"""Event streams that are refused, end early, lack events or have unknown ones."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from charloom import Charloom, DoneEvent, Event, Job, NotFound, Outcome, ResetEvent, Silence, UnknownEvent
from charloom.transport import Retrying
from tests.client.scripted import Reply, Scripted, problem, recording

JOB = {"id": "job_1", "type": "train", "status": "running", "created_at": "2026-11-24T12:00:00.000Z"}


@pytest.fixture
def loom(scripted: Scripted, connect: Callable[[str, Retrying], Charloom]) -> Charloom:
    return connect(scripted.url, Retrying(first_wait_s=0.001))


def sent(*events: tuple[str, str, Any]) -> Reply:
    """Make a stream of events: id ("" for none), type and data each."""
    blocks = [
        (f"id: {event_id}\n" if event_id else "") + f"event: {kind}\ndata: {json.dumps(data)}\n\n"
        for event_id, kind, data in events
    ]
    body = "".join(["retry: 3000\n\n", ": ping\n\n", *blocks]).encode()
    return Reply(body=body, headers={"Content-Type": "text/event-stream"})


DONE: tuple[str, str, Any] = ("3-0", "done", {"status": "succeeded", "result": {}, "error": None})


def test_a_refused_stream_is_retried_after_the_time_the_server_asks_for(
    scripted: Scripted, loom: Charloom, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(loom._transport, "sleep", recording(waits))
    busy = problem(503, "3 event streams are open here, the maximum.")
    scripted.replies = [Reply(status=503, body=busy.body, headers={"Retry-After": "7"}), sent(DONE)]
    seen = list(loom.jobs.watch("job_1"))
    assert seen[0] == Silence(reason="3 event streams are open here, the maximum.")
    assert [event.type for event in seen[1:] if isinstance(event, Event)] == ["done"]
    assert waits == [7]


def test_a_stream_that_ends_early_continues_after_its_last_event(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [sent(("1-0", "log", {}), ("2-0", "log", {})), sent(DONE)]
    assert [event.id for event in loom.jobs.events("job_1", after="0-7")] == ["1-0", "2-0", "3-0"]
    assert [asked.headers.get("Last-Event-ID") for asked in scripted.asked] == ["0-7", "2-0"]


def test_reset_brings_the_whole_job_when_events_are_gone(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [sent(("", "reset", JOB), ("2-0", "log", {})), sent(DONE)]
    seen = list(loom.jobs.events("job_1", after="1-0"))
    assert [(event.type, event.id) for event in seen] == [("reset", ""), ("log", "2-0"), ("done", "3-0")]
    assert isinstance(seen[0], ResetEvent)
    assert seen[0].data == Job.model_validate(JOB)


def test_an_older_server_s_stream_of_an_ended_job_without_events_has_an_end(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [sent(("", "reset", {**JOB, "status": "failed"}))]
    seen = list(loom.jobs.events("job_1"))
    assert [event.type for event in seen] == ["reset", "done"]
    assert seen[-1] == DoneEvent(data=Outcome(status="failed", result=None, error=None))
    assert len(scripted.asked) == 1


def test_an_unknown_job_is_an_error_at_once(scripted: Scripted, loom: Charloom) -> None:
    scripted.replies = [problem(404, "There is no job.")]
    with pytest.raises(NotFound, match="There is no job"):
        list(loom.jobs.events("job_1"))
    assert len(scripted.asked) == 1


def test_what_is_no_event_is_skipped(scripted: Scripted, loom: Charloom) -> None:
    good = sent(DONE)
    junk = b"data: no json\n\ndata: [1]\n\ndata: " + b"[" * 200_000 + b"\n\n"
    scripted.replies = [Reply(body=junk + good.body, headers=good.headers)]
    assert [event.type for event in loom.jobs.events("job_1")] == ["done"]


def test_an_event_that_this_version_can_t_read_is_unknown_and_breaks_nothing(
    scripted: Scripted, loom: Charloom
) -> None:
    scripted.replies = [sent(("1-0", "dream", {"mood": 1}), ("2-0", "text", {"index": "?"}), DONE)]
    seen = list(loom.jobs.events("job_1"))
    assert seen[:2] == [
        UnknownEvent(id="1-0", name="dream", data={"mood": 1}),
        UnknownEvent(id="2-0", name="text", data={"index": "?"}),
    ]
    assert seen[2].type == "done"


def test_a_watcher_that_stops_early_closes_its_connection(scripted: Scripted) -> None:
    scripted.replies = [sent(("1-0", "log", {}), DONE)]
    loom = Charloom(scripted.url)
    events = loom.jobs.events("job_1")
    assert next(events).id == "1-0"
    [connection] = loom._transport.http._transport._pool.connections  # type: ignore[union-attr]
    assert not connection.is_idle()
    del events
    assert connection.is_closed()
