"""Jobs: listed, watched, cancelled, and gone with their losses."""

import threading

import pytest

from shared.jobs.events import EventType
from tests.waiting import eventually
from tests.web.world import API, Reply, World, pointers
from web.streaming import shutdown

JOB = "job_" + "0" * 26
LOSSES = ("train_loss", "validation_loss", "best_loss", "best_epoch", "baselines")


def test_a_job_is_returned_with_its_current_state(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    claim = world.claim(job_id)
    progress = {"step": 5, "total_steps": 10, "epoch": 1, "total_epochs": 2, "fraction": 0.5, "eta_seconds": 3.5}
    world.record(claim, progress=progress, losses={"train_loss": 2.5})
    job = world.get(f"/jobs/{job_id}").json
    assert (job["status"], job["attempt"], job["worker"], job["queue_position"]) == (
        "running",
        1,
        "worker@loom-1",
        None,
    )
    assert job["progress"] == progress | {"chars_per_second": None}
    assert job["metrics"] == dict.fromkeys(LOSSES) | {"train_loss": 2.5}
    assert job["started_at"].endswith("Z")
    world.fail(claim)
    job = world.get(f"/jobs/{job_id}")
    assert "Retry-After" not in job.headers
    assert job.json["error"] == {"code": "diverged", "detail": "The loss blew up.", "retryable": False}
    assert job.json["links"]["cancel"] is None


def test_an_etag_changes_with_the_record_and_with_the_place_in_the_queue(world: World) -> None:
    corpus_id = world.corpus()
    first, second = (world.train(corpus_id).json["id"] for _ in range(2))
    shown = world.get(f"/jobs/{second}")
    etag = shown.headers["ETag"]
    assert etag.startswith('"')
    same = world.get(f"/jobs/{second}", headers={"If-None-Match": etag})
    assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)
    world.claim(first)
    moved = world.get(f"/jobs/{second}", headers={"If-None-Match": etag})
    assert (moved.status_code, moved.json["queue_position"]) == (200, 1)
    assert world.get(f"/jobs/{second}", headers={"If-None-Match": f'"x", {moved.headers["ETag"]}'}).status_code == 304


def test_a_long_poll_answers_when_the_job_ends(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    claim = world.claim(job_id)
    answers: list[Reply] = []
    waiting = threading.Thread(
        target=lambda: answers.append(world.app.test_client().get(f"{API}/jobs/{job_id}?wait=30"))
    )
    waiting.start()
    eventually(lambda: world.services.slots.taken > 0, "it waits")
    world.record(claim, (EventType.LOG, {"message": "still at it"}))
    assert not answers
    world.finish(claim)
    waiting.join()
    assert answers[0].json["status"] == "succeeded"
    assert world.services.slots.taken == 0


def test_a_long_poll_ends_with_its_time_and_with_the_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = world.train(world.corpus()).json["id"]
    assert world.get(f"/jobs/{job_id}?wait=0.1").json["status"] == "queued"
    closing = threading.Event()
    closing.set()
    monkeypatch.setattr(shutdown, "closing", closing)
    assert world.get(f"/jobs/{job_id}?wait=30").json["status"] == "queued"


def test_a_long_poll_with_no_place_left_answers_at_once(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    while world.services.slots.take():
        pass
    answer = world.get(f"/jobs/{job_id}?wait=30")
    assert (answer.json["status"], answer.headers["Retry-After"]) == ("queued", "1")


@pytest.mark.parametrize("wait", ["-1", "30.5", "nan", "inf", "x", "1e999"])
def test_a_wait_out_of_range_is_refused(world: World, wait: str) -> None:
    job_id = world.train(world.corpus()).json["id"]
    answer = world.get(f"/jobs/{job_id}?wait={wait}")
    assert (answer.status_code, pointers(answer)) == (422, ["/wait"])


def test_jobs_are_listed_by_filters_and_pages(world: World) -> None:
    corpus_id = world.corpus()
    model = world.model(corpus_id)
    first, second = (world.train(corpus_id).json["id"] for _ in range(2))
    writing = world.write(model.id, prompt="the").json["id"]
    world.claim(second)

    def ids(query: str) -> list[str]:
        return [job["id"] for job in world.get(f"/jobs?{query}").json["data"]]

    assert ids("") == [writing, second, first]
    assert ids("order=asc") == [first, second, writing]
    assert ids("type=train&status=") == [second, first]
    assert ids("type=train,generate&status=queued,failed") == [writing, first]
    assert ids(f"model_id={model.id}") == [writing]
    page = world.get("/jobs?limit=2").json
    assert (page["has_more"], page["first_id"], page["last_id"]) == (True, writing, second)
    assert ids(f"limit=2&after={second}") == [first]
    empty = world.get("/jobs?type=import").json
    assert empty == {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("type=dance", "/type"),
        ("status=queued,gone", "/status"),
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=ten", "/limit"),
        ("after=job_1", "/after"),
        ("after=mod_" + "0" * 26, "/after"),
        ("model_id=../x", "/model_id"),
        ("order=up", "/order"),
        ("stauts=queued", "/stauts"),
        ("limit=1&limit=2", "/limit"),
    ],
)
def test_a_wrong_filter_is_refused(world: World, query: str, place: str) -> None:
    answer = world.get(f"/jobs?{query}")
    assert (answer.status_code, pointers(answer)) == (422, [place])


def test_cancelling_is_a_status_of_its_own(world: World) -> None:
    corpus_id = world.corpus()
    queued, running, done = (world.train(corpus_id).json["id"] for _ in range(3))
    claim = world.claim(running)
    world.finish(world.claim(done))

    def cancel(job_id: str) -> tuple[int, str]:
        answer = world.http.post(f"{API}/jobs/{job_id}/cancel")
        return answer.status_code, answer.json.get("status")

    assert cancel(queued) == (200, "cancelled")
    assert cancel(queued) == (200, "cancelled")
    assert cancel(running) == (202, "cancelling")
    assert cancel(running) == (200, "cancelling")
    world.services.store.jobs.release(running, claim.token)
    assert cancel(running) == (200, "cancelled")
    assert cancel(done)[0] == 409
    assert cancel(JOB)[0] == 404


def test_losses_come_as_json_and_as_a_table(world: World) -> None:
    job_id = world.train(world.corpus()).json["id"]
    rows = [
        {"step": 10, "epoch": 1, "seconds": 1.5, "train_loss": 2.0, "validation_loss": 2.25, "evaluation_loss": None},
        {"step": 20, "epoch": 2, "seconds": 3.0, "train_loss": 1.5, "validation_loss": None, "evaluation_loss": None},
    ]
    world.record(world.claim(job_id), *((EventType.METRIC, row) for row in rows))
    page = world.get(f"/jobs/{job_id}/metrics").json
    assert page["data"] == [row | {"evaluation_sum": None} for row in rows]
    table = world.get(f"/jobs/{job_id}/metrics", headers={"Accept": "text/csv"})
    assert table.content_type == "text/csv; charset=utf-8"
    assert table.text.splitlines() == [
        "step,epoch,seconds,train_loss,validation_loss,evaluation_loss,evaluation_sum",
        "10,1,1.5,2.0,2.25,,",
        "20,2,3.0,1.5,,,",
    ]


@pytest.mark.parametrize("path", ["", "/events", "/metrics"])
@pytest.mark.parametrize("job_id", [JOB, "job_x", "..%2f..%2fetc", "%00", "a%20b", "job_" + "Z" * 26])
def test_an_unknown_job_is_not_found(world: World, path: str, job_id: str) -> None:
    answer = world.get(f"/jobs/{job_id}{path}")
    assert answer.status_code == 404
    assert answer.json["code"] == "not_found"
