"""A request with an Idempotency-Key makes one job, however often, at once, or over a crash it is sent."""

import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.errors import StoreUnavailable
from shared.ids import new_id
from shared.jobs.record import Job, NewJob
from shared.store import Begun, idempotency
from tests.web.submission.test_resuming import failed
from tests.web.world import API, Reply, World, pointers, settings_of
from web.submission import idempotency as idempotent
from web.submission import training
from web.submission.submit import submit

KEY = "order-7c9e6679"


def send(world: World, body: dict[str, Any], *, key: str = KEY, kind: str = "train") -> Reply:
    return world.app.test_client().post(f"{API}/{kind}-jobs", json=body, headers={"Idempotency-Key": key})


def jobs(world: World) -> list[str]:
    return [job["id"] for job in world.get("/jobs").json["data"]]


@pytest.mark.parametrize("kind", ["train", "generate"])
def test_a_repeat_gets_the_first_answer_whatever_has_become_of_the_job(world: World, kind: str) -> None:
    corpus_id = world.corpus()
    body = {"corpus_id": corpus_id} if kind == "train" else {"model_id": world.model(corpus_id).id}
    first = send(world, body, kind=kind)
    assert first.status_code == 202
    assert "Idempotent-Replayed" not in first.headers
    world.fail(world.claim(first.json["id"]))
    again = send(world, body, kind=kind)
    assert (again.status_code, again.data) == (202, first.data)
    for name in ("Location", "Retry-After", "ETag", "Content-Type"):
        assert again.headers[name] == first.headers[name], name
    assert again.headers["Idempotent-Replayed"] == "true"
    assert jobs(world) == [first.json["id"]]


def test_another_form_of_the_same_json_is_the_same_request(world: World) -> None:
    corpus_id = world.corpus()
    first = send(world, {"corpus_id": corpus_id, "metadata": {"a": "1", "b": "2"}})
    another_form = f'{{ "metadata": {{"b":"2", "a":"\\u0031"}},\n "corpus_id": "{corpus_id}" }}'
    again = world.http.post(
        f"{API}/train-jobs", data=another_form, content_type="application/json", headers={"Idempotency-Key": KEY}
    )
    assert again.data == first.data


def test_another_request_with_the_same_key_is_refused(world: World) -> None:
    corpus_id = world.corpus()
    send(world, {"corpus_id": corpus_id})
    for other in (
        send(world, {"corpus_id": corpus_id, "epochs": 3}),
        send(world, {"model_id": world.model(corpus_id).id}, kind="generate"),
    ):
        assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
        assert pointers(other) == ["/Idempotency-Key"]
    assert len(jobs(world)) == 1
    assert send(world, {"corpus_id": corpus_id, "epochs": 3}, key="another").status_code == 202


@pytest.mark.parametrize("key", ["", "two words", "größer", "x" * 256, "tab\t!", '""', '"open', '"a\\b"', '"k" x'])
def test_a_key_of_another_form_is_refused(world: World, key: str) -> None:
    corpus_id = world.corpus()
    answer = send(world, {"corpus_id": corpus_id}, key=key)
    assert (answer.status_code, pointers(answer)) == (422, ["/Idempotency-Key"])
    assert jobs(world) == []


@pytest.mark.parametrize(("bare", "quoted"), [("k", '"k"'), ('a"b\\c', r'"a\"b\\c"')])
def test_a_key_is_the_same_quoted_or_not(world: World, bare: str, quoted: str) -> None:
    body = {"corpus_id": world.corpus()}
    assert send(world, body, key=bare).data == send(world, body, key=quoted).data


def test_a_repeat_of_a_request_in_progress_is_a_conflict_with_a_time_to_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotent, "_MAX_LOOKS", 2)
    body = {"corpus_id": world.corpus()}
    fingerprint = fingerprint_of(world, body)
    begun = world.services.store.idempotency_keys.begin(KEY, fingerprint, job_id=new_id("job"))
    assert isinstance(begun, Begun)
    answer = send(world, body)
    assert (answer.status_code, answer.json["code"]) == (409, "request_in_progress")
    assert int(answer.headers["Retry-After"]) > 0
    assert send(world, {**body, "epochs": 3}).json["code"] == "idempotency_key_reused"


def test_the_longest_key_is_taken(world: World) -> None:
    assert send(world, {"corpus_id": world.corpus()}, key="~" * 255).status_code == 202


def test_a_refusal_is_not_kept(world: World) -> None:
    unknown = {"corpus_id": "cor_" + "0" * 26}
    assert send(world, unknown).status_code == 422
    assert send(world, unknown).status_code == 422
    assert not [name for name in world.traces()[0] if "repeat" in name]
    assert send(world, {"corpus_id": world.corpus()}).status_code == 202, "the key is free for the fixed request"


def test_many_at_once_make_one_job(world: World, redis_url: str, data_dir: Path) -> None:
    corpus_id = world.corpus()
    other = World(settings_of(redis_url, data_dir))
    answers: list[Reply] = []
    start = threading.Barrier(12)

    def one(of: World) -> None:
        start.wait()
        answers.append(send(of, {"corpus_id": corpus_id}))

    threads = [threading.Thread(target=one, args=(of,)) for of in (world, other) * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.data for answer in answers}) == 1
    assert jobs(world) == [answers[0].json["id"]]
    assert len(list((data_dir / "jobs").iterdir())) == 1


def fingerprint_of(world: World, body: dict[str, Any]) -> str:
    with world.app.test_request_context(f"{API}/train-jobs", method="POST"):
        return idempotent._fingerprint(training._REQUEST.validate_python(body))


def died(world: World, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """Begin a request as a web process does that is then killed, its hold over; return its job's id."""
    monkeypatch.setattr(idempotency, "HOLD_MS", -1)
    begun = world.services.store.idempotency_keys.begin(KEY, fingerprint_of(world, body), job_id=new_id("job"))
    assert isinstance(begun, Begun)
    return begun.job_id


@pytest.mark.parametrize("reached", ["the key", "the files", "the record"])
def test_a_crash_before_the_answer_neither_loses_the_key_nor_makes_a_second_job(
    world: World, reached: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"corpus_id": world.corpus()}
    job_id = died(world, body, monkeypatch)
    if reached != "the key":
        with world.app.test_request_context():
            prepare = partial(training.prepare, world.services, training._REQUEST.validate_python(body))
            if reached == "the files":
                world.services.volume.jobs.create(prepare(job_id))
            else:
                submit(world.services, prepare, job_id=job_id)
        monkeypatch.undo()
    answer = send(world, body)
    assert (answer.status_code, answer.json["id"]) == (202, job_id)
    assert jobs(world) == [job_id]
    asked = world.services.volume.jobs.asked(job_id)
    assert asked is not None
    assert dict(asked.params) == answer.json["params"], "record and files are those of the same job"
    assert send(world, body).data == answer.data


def test_redis_that_goes_away_in_between_leaves_a_job_to_be_taken_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"corpus_id": world.corpus()}
    create = world.services.store.jobs.create

    def create_and_lose_the_answer(job: NewJob, **limits: Any) -> Job:
        create(job, **limits)
        raise StoreUnavailable

    monkeypatch.setattr(world.services.store.jobs, "create", create_and_lose_the_answer)
    assert send(world, body).status_code == 503
    monkeypatch.undo()
    made = jobs(world)
    answer = send(world, body)
    assert (answer.status_code, [answer.json["id"]]) == (202, made)
    assert world.services.volume.jobs.asked(made[0]) is not None


def test_a_key_is_kept_for_a_day(world: World, client: "redis.Redis") -> None:
    send(world, {"corpus_id": world.corpus()})
    (name,) = [name for name in world.traces()[0] if "repeat" in name]
    left = client.pttl(name)
    assert isinstance(left, int)
    assert 23 * 3_600_000 < left <= 24 * 3_600_000


def test_a_resume_that_is_sent_twice_is_one(world: World) -> None:
    old = failed(world)
    first, again = (world.http.post(f"{API}/jobs/{old}/resume", headers={"Idempotency-Key": KEY}) for _ in range(2))
    assert (first.status_code, again.data) == (202, first.data)
    assert len(jobs(world)) == 2
