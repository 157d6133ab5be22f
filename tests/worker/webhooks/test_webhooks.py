"""Webhooks of jobs on real workers, one of which is killed while it delivers."""

import os
import signal
from pathlib import Path

import pytest
import redis
import standardwebhooks

from shared.jobs.schemas import Job as JobView
from shared.store import keys
from tests.waiting import eventually
from tests.worker.cluster import ENDLESS, ROOT, Cluster
from tests.worker.receiver import receiving
from tests.worker.webhooks.test_sender import SECRET, pass_time, waiting


@pytest.fixture
def cluster(client: "redis.Redis", redis_url: str, tmp_path: Path) -> Cluster:  # noqa: ARG001
    return Cluster.make(
        redis_url, tmp_path / "data", tmp_path, train_threads="1", webhook_secret=SECRET, webhook_allow="127.0.0.0/8"
    )


def test_a_job_sends_when_it_begins_and_how_it_ends(cluster: Cluster) -> None:
    corpus = cluster.corpus(ROOT / "shared" / "sample.txt")
    with receiving() as receiver, cluster.worker():
        hook = {"url": receiver.url, "events": ["job.running", "job.succeeded", "job.cancelled"]}
        done = cluster.ended(cluster.train(corpus, webhook=hook))
        endless = cluster.train(corpus, webhook=hook, **ENDLESS)
        cluster.running(endless)
        cluster.store.jobs.cancel(endless)
        eventually(lambda: len(receiver.received) == 4, "four messages")
    delivered = [standardwebhooks.Webhook(SECRET).verify(came.body, came.headers) for came in receiver.received]
    assert {(message["data"]["id"], message["type"]) for message in delivered} == {
        (done.id, "job.running"),
        (done.id, "job.succeeded"),
        (endless, "job.running"),
        (endless, "job.cancelled"),
    }
    end = next(message for message in delivered if message["type"] == "job.succeeded")
    assert end["data"] == JobView.of(cluster.store.jobs.get(done.id)).model_dump(mode="json")


def test_a_worker_that_is_killed_while_it_delivers_loses_nothing(cluster: Cluster, client: "redis.Redis") -> None:
    corpus = cluster.corpus(ROOT / "shared" / "sample.txt")
    with receiving("hang", 204) as receiver:
        with cluster.worker("first") as process:
            job = cluster.ended(cluster.train(corpus, webhook={"url": receiver.url}))
            eventually(lambda: receiver.received, "the message is under way")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        (message,) = waiting(client)
        pass_time(client)  # after which its sender counts as dead
        with cluster.worker("second"):
            eventually(lambda: not client.zcard(keys.HOOKS), "it is delivered")
        first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == message
    assert first.body == second.body
    assert second.message["data"]["id"] == job.id
