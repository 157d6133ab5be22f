"""The response for an ended job is serialized once, and never sent for a record that has changed."""

from typing import Any

import pytest

from shared.jobs.record import Job, NewJob, Status
from shared.store.job_store import JobStore
from tests.web.world import World
from web import response_cache

ASKED = ("id", "type", "params", "metadata", "model_id", "uses", "parent_id", "max_attempts")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs whose records were read whole."""
    found: list[str] = []
    find = JobStore.find

    def noted(self: JobStore, job_id: str) -> Job | None:
        found.append(job_id)
        return find(self, job_id)

    monkeypatch.setattr(JobStore, "find", noted)
    return found


def ended(world: World) -> str:
    job_id: str = world.train(world.corpus()).json["id"]
    world.fail(world.claim(job_id))
    return job_id


def shown(answer: Any) -> tuple[object, ...]:
    headers = {name: value for name, value in answer.headers if name != "X-Request-Id"}
    return answer.status_code, headers, answer.json


def test_it_is_read_once_and_the_same_each_time(world: World, reads: list[str]) -> None:
    job_id = ended(world)
    first = world.get(f"/jobs/{job_id}")
    assert reads == [job_id]
    for path in (f"/jobs/{job_id}", f"/jobs/{job_id}?wait=30"):
        assert shown(world.get(path)) == shown(first)
    same = world.get(f"/jobs/{job_id}", headers={"If-None-Match": first.headers["ETag"]})
    assert (same.status_code, same.data) == (304, b"")
    assert reads == [job_id]


def test_a_live_one_is_read_each_time(world: World, reads: list[str]) -> None:
    job_id = world.train(world.corpus()).json["id"]
    for _ in range(2):
        assert world.get(f"/jobs/{job_id}").json["status"] == "queued"
    world.claim(job_id)
    assert world.get(f"/jobs/{job_id}").json["status"] == "running"
    assert reads == [job_id] * 3


def test_one_that_was_forgotten_is_unknown(world: World) -> None:
    job_id = ended(world)
    assert world.get(f"/jobs/{job_id}").status_code == 200
    world.services.store.jobs.purge(age_s=-1)
    assert world.get(f"/jobs/{job_id}").status_code == 404


def test_one_whose_record_was_put_back_is_read_anew(world: World) -> None:
    job_id = ended(world)
    assert world.get(f"/jobs/{job_id}").json["worker"] == "worker@loom-1"
    job = world.services.store.jobs.get(job_id)
    asked = NewJob(**{name: getattr(job, name) for name in ASKED})
    world.services.store.jobs.purge(age_s=-1)
    assert world.services.store.jobs.restore(asked, status=Status.FAILED, error=job.error, finished_ms=job.finished_ms)
    assert world.get(f"/jobs/{job_id}").json["worker"] is None


def test_long_ones_and_the_oldest_are_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_cache, "MAX_ENTRIES", 2)
    jobs = [ended(world) for _ in range(3)]
    for job_id in jobs:
        assert world.get(f"/jobs/{job_id}").status_code == 200
    assert [world.services.response_cache.find(job_id) is not None for job_id in jobs] == [False, True, True]
    monkeypatch.setattr(response_cache, "MAX_BYTES", 10)
    assert world.get(f"/jobs/{jobs[0]}").status_code == 200
    assert world.services.response_cache.find(jobs[0]) is None
