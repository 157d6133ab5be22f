"""How often one caller may call, how many of their jobs may wait: off until set, counted for all processes together."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.errors import SettingsError
from shared.jobs.record import Status
from shared.setting_forms import Rate
from shared.settings import load
from shared.store import Store, keys
from tests.jobs import make_job
from tests.web.world import API, World, settings_of

Make = Callable[..., World]


@pytest.fixture
def make(redis_url: str, data_dir: Path) -> Iterator[Make]:
    """Make apps with settings of their own, on one store and volume."""
    made: list[World] = []

    def one(**settings: str) -> World:
        variables = {f"CHARLOOM_{name.upper()}": value for name, value in settings.items()}
        made.append(World(settings_of(redis_url, data_dir, **variables)))
        return made[-1]

    yield one
    for world in made:
        world.close()


def test_off_until_set(make: Make) -> None:
    world = make()
    answers = [world.get("/jobs") for _ in range(50)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers


def test_one_call_too_many_learns_when_to_retry(make: Make) -> None:
    world = make(rate_limit="5/hour")
    answers = [world.get("/jobs") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    refused = answers[-1]
    assert refused.content_type == "application/problem+json"
    assert (refused.json["code"], refused.json["status"]) == ("too_many_calls", 429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 720
    lefts = [answer.headers["RateLimit"].split(";")[1] for answer in answers]
    assert lefts == ["r=4", "r=3", "r=2", "r=1", "r=0", "r=0"]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"default";q=5;w=3600'}


def test_all_processes_count_together_and_callers_apart(make: Make) -> None:
    first, second = make(rate_limit="4/hour"), make(rate_limit="4/hour")
    for world in (first, second, first, second):
        assert world.get("/jobs").status_code == 200
    assert {world.get("/jobs").status_code for world in (first, second)} == {429}
    assert first.get("/jobs", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


def test_what_is_counted_is_the_api_and_what_pages_send(make: Make) -> None:
    world = make(rate_limit="1/day")
    for _ in range(3):
        for path in ("/healthz", "/", "/jobs", "/static/app.css", "/api/openapi.json", "/api/docs"):
            assert world.http.get(path, buffered=True).status_code == 200, path
    assert world.http.post("/train", data={}).status_code != 429
    page = world.http.post("/train", data={})
    assert (page.status_code, page.content_type) == (429, "text/html; charset=utf-8")
    assert world.get("/jobs").status_code == 429


def test_with_redis_away_it_is_503_as_everywhere(tmp_path: Path) -> None:
    world = World(settings_of(f"unix://{tmp_path}/nobody.sock", tmp_path / "data", CHARLOOM_RATE_LIMIT="5/minute"))
    answer = world.get("/corpora")
    assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert world.http.get("/healthz").status_code == 200
    world.close()


@pytest.mark.parametrize("wrong", ["", "5", "5/week", "0/minute", "-1/minute", "1.5/minute", "many/day", "5 / minute"])
def test_a_rate_of_another_form_stops_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError, match="CHARLOOM_RATE_LIMIT"):
        load({"CHARLOOM_RATE_LIMIT": wrong})


def test_an_allowance_comes_back_evenly(store: Store, client: "redis.Redis") -> None:
    """Time is passed by moving the one number that is kept."""
    rate = Rate(calls=10, period_s=100.0, text="")
    name = f"{keys.LAYOUT['rate']}me"
    for left in range(9, -1, -1):
        allowance = store.rates.count("me", rate)
        assert (allowance.granted, allowance.left) == (True, left)
    for _ in range(3):
        refused = store.rates.count("me", rate)
        assert not refused.granted, "being refused costs nothing"
        assert 9 < refused.retry_s <= 10
        assert 99 < refused.full_in_s <= 100

    def pass_time(seconds: float) -> None:
        moved: Any = client.get(name)
        client.set(name, f"{float(moved) - 1000 * seconds:.3f}")

    pass_time(10)
    assert store.rates.count("me", rate).granted
    assert not store.rates.count("me", rate).granted
    pass_time(35)
    assert [store.rates.count("me", rate).granted for _ in range(4)] == [True, True, True, False]
    pass_time(1000)
    assert store.rates.count("me", rate).left == 9, "never more than the whole"
    assert 0 < int(client.pttl(name)) <= 100_000


def test_a_clock_that_was_set_back_locks_nobody_out(store: Store, client: "redis.Redis") -> None:
    rate = Rate(calls=2, period_s=10.0, text="")
    client.set(f"{keys.LAYOUT['rate']}me", "99999999999999.000")
    assert store.rates.count("me", rate).retry_s <= 10


def test_a_queue_takes_as_many_of_one_caller_as_are_allowed(make: Make) -> None:
    world = make(max_queued="2")
    corpus_id = world.corpus()
    first, second = (world.train(corpus_id) for _ in range(2))
    refused = world.train(corpus_id)
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_queued")
    assert int(refused.headers["Retry-After"]) > 0
    assert "2 of your jobs" in refused.json["detail"]
    assert world.write(world.model(corpus_id).id, prompt="the").status_code == 429, "whatever kind of job"
    other = world.http.post(
        f"{API}/train-jobs", json={"corpus_id": corpus_id}, environ_base={"REMOTE_ADDR": "192.0.2.7"}
    )
    assert other.status_code == 202, "another caller's jobs are theirs"
    world.claim(first.json["id"])
    third = world.train(corpus_id)
    assert third.status_code == 202, "one has begun"
    world.http.post(f"{API}/jobs/{second.json['id']}/cancel")
    assert world.train(corpus_id).status_code == 202, "one is cancelled"
    assert world.train(corpus_id).status_code == 429


def test_what_is_refused_leaves_nothing_and_may_be_sent_again_with_its_key(make: Make) -> None:
    world = make(max_queued="1")
    corpus_id = world.corpus()
    first = world.train(corpus_id)
    left = world.traces()
    once = {"headers": {"Idempotency-Key": "k"}, "json": {"corpus_id": corpus_id}}
    assert world.http.post(f"{API}/train-jobs", **once).status_code == 429
    assert world.traces() == left
    world.http.post(f"{API}/jobs/{first.json['id']}/cancel")
    made = world.http.post(f"{API}/train-jobs", **once)
    again = world.http.post(f"{API}/train-jobs", **once)
    assert (made.status_code, again.status_code, again.data) == (202, 202, made.data), "a repeat is no second job"


def test_a_job_that_comes_back_to_its_queue_waits_again(store: Store, client: "redis.Redis") -> None:
    job = make_job()
    store.jobs.create(job, caller="me", most_queued=5)
    claim = store.jobs.claim(job.id, worker="w", lease_s=10)
    assert claim is not None
    waiting = f"{keys.LAYOUT['waiting']}me"
    assert client.scard(waiting) == 0
    assert store.jobs.release(job.id, claim.token) is Status.QUEUED
    assert client.smembers(waiting) == {job.id}
    store.jobs.cancel(job.id)
    assert client.exists(waiting) == 0
