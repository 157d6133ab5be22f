"""Redis that refuses, volumes that take nothing, names that are taken: all wait, say so in words, and go on."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import redis

from tests.faults.conftest import LEASE_TTL_S, Stage
from tests.faults.jobs import go_on, pause, stop
from tests.faults.judge import Steps, events_of, litter, weights_of
from tests.faults.site import Site
from tests.waiting import eventually


@contextmanager
def out_of_memory(client: "redis.Redis") -> Iterator[None]:
    """Redis refuses writes that take memory."""
    client.config_set("maxmemory", "1mb")
    yield
    client.config_set("maxmemory", "0")


@contextmanager
def read_only_replica(client: "redis.Redis") -> Iterator[None]:
    """Redis has become the replica of another: it takes no writes."""
    client.replicaof("127.0.0.1", "1")
    yield
    client.replicaof("NO", "ONE")


@contextmanager
def wrong_password(client: "redis.Redis") -> Iterator[None]:
    """Redis wants a password that nobody has, and all have to connect anew."""
    client.config_set("requirepass", "hunter2")
    client.client_kill_filter(_type="normal", skipme=True)
    yield
    client.config_set("requirepass", "")


TROUBLES: dict[str, tuple[Callable[["redis.Redis"], Any], str]] = {
    "out_of_memory": (out_of_memory, "maxmemory"),
    "read_only_replica": (read_only_replica, "read-only replica"),
    "wrong_password": (wrong_password, "refuses the password"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_redis_that_refuses_is_waited_for(stage: Stage, trouble: str) -> None:
    site, client = stage.site, stage.client
    make, words = TROUBLES[trouble]
    job_id = client.train()
    client.saved(job_id)
    with site.client() as hurt:
        # When Redis refuses for longer than a lease
        with make(hurt):
            eventually(lambda: site.readiness().status_code == 503, "it isn't ready")
            detail = site.readiness().json()["detail"]
            with site.api() as api:
                refused = api.post("/train-jobs", json={"corpus_id": client.corpus_id, "epochs": 1})
            pause(LEASE_TTL_S + 1.5)
        # Then the reason was reported
        assert detail.startswith("redis: ")
        assert words.lower() in detail.lower()
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert int(refused.headers["retry-after"]) > 0
        for host in site.hosts.values():
            eventually(lambda: words.lower() in host.log.read_text().lower(), f"{host.name} says so")  # noqa: B023
    # And all goes on
    eventually(lambda: site.readiness().status_code == 200, "it is ready again")
    assert client.ended(job_id)["status"] == "succeeded"
    assert weights_of(site, job_id) == stage.weights
    assert Steps.read(site.steps).overlaps(job_id)[1] == 0
    assert client.ended(client.train(epochs=1))["status"] == "succeeded", "messages come again too"


def test_workers_and_web_wait_for_a_redis_that_isn_t_there_yet(stage: Stage) -> None:
    site, client = stage.site, stage.client
    for host in site.hosts.values():
        host.terminate()
    site.web.terminate()
    site.valkey.terminate()
    # When all but Redis are started
    site.start_web()
    host = site.start_host(1)
    # Then they live, and say what they wait for
    answer = site.readiness()
    assert answer.status_code == 503
    assert "redis: " in answer.json()["detail"]
    assert httpx.get(f"{site.url}/jobs").status_code == 503, "pages too"
    assert "Traceback" not in httpx.get(f"{site.url}/jobs").text
    begin = len(host.log.read_text())
    eventually(lambda: "Cannot connect" in host.log.read_text()[begin:], "the worker says so")
    assert host.lives
    # And when it comes, they go on
    site.start_redis()
    site.wait_for_host(1)
    eventually(lambda: site.readiness().status_code == 200, "it is ready")
    assert client.ended(client.train(epochs=1))["status"] == "succeeded"


@pytest.fixture
def own_disk(stage: Stage) -> Iterator[Stage]:
    if not stage.site.disk.is_own:
        pytest.skip("a volume of its own can't be mounted here")
    yield stage
    stage.site.disk.set_read_only(False)
    stage.site.disk.free()


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_volume_that_takes_nothing_is_reported_to_senders(own_disk: Stage, trouble: str) -> None:
    site, client = own_disk.site, own_disk.client
    before = sorted(path.name for path in site.volume.folder.glob("*/*"))
    if trouble == "full":
        site.disk.fill()
    else:
        site.disk.set_read_only(True)
    words = "disk is full" if trouble == "full" else "read-only"
    with site.api() as api:
        corpus = api.post(
            "/corpora",
            params={"name": "new"},
            content=os.urandom(30_000).hex().encode(),
            headers={"Content-Type": "text/plain"},
        )
        job = api.post("/train-jobs", json={"corpus_id": client.corpus_id, "epochs": 1})
        text = api.post("/generate-jobs", json={"model_id": own_disk.model_id, "prompt": "there "})
    readiness = site.readiness()
    site.disk.set_read_only(False)
    site.disk.free()
    for answer in (corpus, job, text, readiness):
        assert answer.status_code == 503, answer.text
        assert words in answer.json()["detail"]
    assert sorted(path.name for path in site.volume.folder.glob("*/*")) == before
    assert not litter(site)
    assert site.readiness().status_code == 200


def logged(site: Site, job_id: str) -> str:
    """Return the lines of a job's log."""
    with site.api() as api:
        return "\n".join(event["data"]["message"] for event in events_of(api, job_id) if event["type"] == "log")


def test_a_finished_model_waits_for_space(own_disk: Stage) -> None:
    site, client = own_disk.site, own_disk.client
    job_id = client.train()
    client.saved(job_id)
    site.disk.fill()
    eventually(lambda: "What the job has made can't be written" in logged(site, job_id), "it waits")
    assert "its state can't be saved" in logged(site, job_id)
    assert client.get(job_id)["status"] == "running"
    site.disk.free()
    assert client.ended(job_id)["status"] == "succeeded"
    assert weights_of(site, job_id) == own_disk.weights
    eventually(lambda: not litter(site), "nothing is left over")


def test_a_volume_that_stays_full_fails_the_job_and_it_can_be_resumed(own_disk: Stage) -> None:
    site, client = own_disk.site, own_disk.client
    for number in (1, 2):
        site.hosts[number].terminate()
    site.start_host(1, volume_wait_s="1")
    site.wait_for_host(1)
    job_id = client.train()
    client.saved(job_id)
    site.disk.fill()
    failed = client.ended(job_id)
    site.disk.free()
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "volume_unavailable"
    assert failed["error"]["retryable"] is True
    assert "disk is full" in failed["error"]["detail"]
    with site.api() as api:
        resumed = api.post(f"/jobs/{job_id}/resume")
    assert resumed.status_code == 202, resumed.text
    job = client.ended(resumed.json()["id"])
    assert weights_of(site, job["id"]) == own_disk.weights
    steps = Steps.read(site.steps).moves[job["id"]]
    assert steps[0].step > 1, "it went on and did not begin anew"
    site.hosts[1].terminate()


def test_a_cancel_while_the_volume_is_full_is_not_forgotten(own_disk: Stage) -> None:
    site, client = own_disk.site, own_disk.client
    job_id = client.train()
    client.saved(job_id)
    site.disk.fill()
    with site.api() as api:
        assert api.post(f"/jobs/{job_id}/cancel").status_code == 202
    assert client.ended(job_id)["status"] == "cancelled"
    assert site.volume.jobs.ended(job_id) is None
    site.disk.free()
    eventually(lambda: site.volume.jobs.ended(job_id), "its end is written to the volume")
    with site.client() as hurt:
        hurt.flushall()
    assert client.ended(job_id)["status"] == "cancelled"


def test_two_workers_of_one_name_harm_no_job_and_are_logged(stage: Stage) -> None:
    site, client = stage.site, stage.client
    site.hosts[2].terminate()
    twin = site.start_host(3, name="host1")
    try:
        eventually(lambda: "is also called host1@site" in twin.log.read_text(), "the second one logs it")
        jobs = [client.train(seed=seed) for seed in (11, 12)]
        for job_id in jobs:
            client.saved(job_id)
        for child in twin.children():
            os.kill(child, signal.SIGKILL)
        ended = [client.ended(job_id) for job_id in jobs]
        assert [job["status"] for job in ended] == ["succeeded", "succeeded"]
        assert sorted(job["attempt"] for job in ended) == [1, 2], "only the killed one was taken up again"
    finally:
        twin.terminate()
        del site.hosts[3]


def test_an_emptied_redis_forgets_no_text_and_no_cancel(stage: Stage) -> None:
    site, client = stage.site, stage.client
    made = client.ended(client.train(epochs=1))
    model_id = made["result"]["model_id"]
    # Given a text that is written, one that is being written, and one that waits
    written = client.ended(client.write(model_id))
    long = client.write(model_id, length=20_000, n=4)
    eventually(lambda: client.get(long)["progress"]["step"], "it is being written")
    for number in (1, 2):
        site.hosts[number].terminate()
    waiting = client.write(model_id)
    given_up, running = client.train(seed=21), client.train(seed=22, epochs=10_000)
    with site.api() as api:
        assert api.post(f"/jobs/{given_up}/cancel").status_code == 200
    # When
    with site.client() as hurt:
        hurt.flushall()
    for number in (1, 2):
        site.start_host(number)
    # Then
    again = client.ended(written["id"])
    assert again["result"] == written["result"]
    assert client.ended(waiting)["result"]["outputs"] == written["result"]["outputs"]
    assert len(client.ended(long)["result"]["outputs"][0]["text"]) == 20_000
    assert client.ended(given_up)["status"] == "cancelled"
    # And a cancel that a running one has not noticed yet is not forgotten either
    number = client.saved(running)
    stop(site, number)
    with site.api() as api:
        assert api.post(f"/jobs/{running}/cancel").status_code == 202
    with site.client() as hurt:
        hurt.flushall()
    go_on(site, number)
    assert client.ended(running)["status"] == "cancelled"
