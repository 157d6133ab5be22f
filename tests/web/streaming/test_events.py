"""Events: pages of them, and whole streams of jobs that have ended. Live streams are in test_live.py."""

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.jobs.events import EventType
from shared.store import keys
from tests.web.world import API, World, pointers, settings_of

SSE = {"Accept": "text/event-stream"}


def events_of(stream: str) -> list[tuple[str | None, str, Any]]:
    """Read a whole stream: (id, event, data) each, comments and `retry` left out."""
    found = []
    for block in stream.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
    return found


@pytest.fixture
def job_id(world: World) -> str:
    job_id: str = world.write(world.model().id, prompt="the").json["id"]
    claim = world.claim(job_id)
    for offset, delta in enumerate("a\nb"):
        world.record(claim, (EventType.TEXT, {"index": 0, "offset": offset, "delta": delta}))
    world.finish(claim, {"seed": 1})
    return job_id


def test_a_page_of_events_goes_on_after_one(world: World, job_id: str) -> None:
    page = world.get(f"/jobs/{job_id}/events?limit=2").json
    assert [event["type"] for event in page["data"]] == ["status", "status"]
    assert page["has_more"]
    rest = world.get(f"/jobs/{job_id}/events?after={page['last_id']}").json
    assert [event["type"] for event in rest["data"]] == ["text", "text", "text", "status", "done"]
    assert rest["data"][1]["data"] == {"index": 0, "offset": 1, "delta": "\n"}
    assert not rest["has_more"]


def test_a_stream_has_everything_and_ends_after_done(world: World, job_id: str) -> None:
    answer = world.get(f"/jobs/{job_id}/events", headers=SSE)
    assert answer.content_type.startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.text.startswith("retry: 3000\n\n")
    sent = events_of(answer.text)
    assert [kind for _, kind, _ in sent] == ["status", "status", "text", "text", "text", "status", "done"]
    assert sent[-1][2] == {"status": "succeeded", "result": {"seed": 1}, "error": None}
    listed = world.get(f"/jobs/{job_id}/events").json["data"]
    assert [event_id for event_id, _, _ in sent] == [event["id"] for event in listed]
    assert world.services.slots.taken == 0


def test_a_stream_resumes_after_an_event_and_has_nothing_after_the_last(world: World, job_id: str) -> None:
    ids = [event["id"] for event in world.get(f"/jobs/{job_id}/events").json["data"]]
    sent = events_of(world.get(f"/jobs/{job_id}/events", headers=SSE | {"Last-Event-ID": ids[3]}).text)
    assert [event_id for event_id, _, _ in sent] == ids[4:]
    sent = events_of(world.get(f"/jobs/{job_id}/events?after={ids[4]}", headers=SSE).text)
    assert [event_id for event_id, _, _ in sent] == ids[5:]
    past = world.get(f"/jobs/{job_id}/events", headers=SSE | {"Last-Event-ID": ids[-1]})
    assert (past.status_code, past.data) == (204, b"")


def test_a_stream_that_was_trimmed_begins_with_the_whole_job(redis_url: str, data_dir: Path) -> None:
    world = World(settings_of(redis_url, data_dir, CHARLOOM_EVENTS_CAP="100"))
    job_id = world.write(world.model().id, prompt="the").json["id"]
    claim = world.claim(job_id)
    first = world.get(f"/jobs/{job_id}/events?limit=1").json["last_id"]
    for number in range(5):
        world.record(claim, *((EventType.LOG, {"message": str(number)}) for _ in range(100)))
    world.finish(claim)
    sent = events_of(world.get(f"/jobs/{job_id}/events", headers=SSE | {"Last-Event-ID": first}).text)
    assert sent[0][:2] == (None, "reset")
    assert sent[0][2] == world.get(f"/jobs/{job_id}").json
    assert sent[-1][1] == "done"
    assert len(sent) > 100
    world.close()


def test_a_stream_of_an_ended_job_whose_events_are_gone_has_the_job_and_ends_at_once(
    redis_url: str, world: World, job_id: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.delete(keys.events(job_id))
    sent = events_of(world.get(f"/jobs/{job_id}/events", headers=SSE).text)
    job = world.get(f"/jobs/{job_id}").json
    end = {"status": "succeeded", "result": {"seed": 1}, "error": None}
    assert sent == [(None, "reset", job), (None, "done", end)]


@pytest.mark.parametrize("event_id", ["x", "-", "1", "1-", "1-x", "9" * 25 + "-0", "0-0\u00b2"])
def test_an_event_id_of_the_wrong_form_is_refused(world: World, job_id: str, event_id: str) -> None:
    answer = world.get(f"/jobs/{job_id}/events?after={event_id}")
    assert (answer.status_code, pointers(answer)) == (422, ["/after"])
    answer = world.get(f"/jobs/{job_id}/events", headers=SSE | {"Last-Event-ID": event_id})
    assert (answer.status_code, pointers(answer)) == (422, ["/Last-Event-ID"])


def test_with_every_place_taken_a_stream_is_refused_until_later(world: World, job_id: str) -> None:
    while world.services.slots.take():
        pass
    answer = world.get(f"/jobs/{job_id}/events", headers=SSE)
    assert (answer.status_code, answer.json["code"]) == (503, "busy")
    assert int(answer.headers["Retry-After"]) > 0


def test_asking_for_the_headers_alone_opens_no_stream(world: World, job_id: str) -> None:
    answer = world.http.head(f"{API}/jobs/{job_id}/events", headers=SSE)
    assert (answer.status_code, answer.data) == (200, b"")
    assert world.services.slots.taken == 0
