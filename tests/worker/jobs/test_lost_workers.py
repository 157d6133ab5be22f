"""Workers that are drained and killed: what they ran goes on elsewhere, to the very same end.

tests/faults/ kills the parts of a worker, each alone.
"""

import os
import signal
import subprocess
import threading
import time

import pytest
import redis
import torch

from shared.jobs.events import EventType
from shared.jobs.record import Job, Status
from shared.volume import Corpus, SavedState
from tests.waiting import eventually
from tests.worker.cluster import ENDLESS, MIDDLING, Cluster


def pool_children(process: "subprocess.Popen[bytes]") -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


def drain(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


def kill_children(process: "subprocess.Popen[bytes]") -> None:
    for child in pool_children(process):
        os.kill(child, signal.SIGKILL)


def test_a_drained_training_goes_on_elsewhere_and_passes_over_a_damaged_state(
    cluster: Cluster, corpus: Corpus, made: Job
) -> None:
    with cluster.worker("first") as process:
        job_id = cluster.train(corpus, **MIDDLING)
        cluster.running(job_id, step=12)
        drain(process)
        given_back = cluster.store.jobs.get(job_id)
        assert (given_back.status, given_back.lost_attempts) == (Status.QUEUED, 0)
    older = cluster.volume.jobs.states(job_id)[0]
    folder = cluster.volume.jobs.open_attempt(job_id, 50)
    damaged = folder / "state-400.safetensors"
    damaged.write_bytes(older.path.read_bytes()[:-1000])
    cluster.volume.jobs.commit_state(folder, SavedState(path=damaged, sha256=older.sha256, step=400))
    with cluster.worker("second"):
        job = cluster.ended(job_id)
    assert job.worker == "second@test"
    assert job.token == 51, "a new token is above every folder's"
    assert cluster.weights(job) == cluster.weights(made)


def test_a_job_that_kills_its_worker_before_each_save_fails_in_the_end(cluster: Cluster, corpus: Corpus) -> None:
    with cluster.worker() as process:
        job_id = cluster.train(corpus, **{**ENDLESS, "checkpoint_seconds": 600})
        for attempt in (1, 2, 3):
            eventually(lambda: cluster.store.jobs.get(job_id).attempt == attempt, f"attempt {attempt}")  # noqa: B023
            cluster.running(job_id)
            kill_children(process)
        job = cluster.ended(job_id)
    assert job.error is not None
    assert (job.status, job.lost_attempts, job.error.code) == (Status.FAILED, 3, "worker_lost")


def test_workers_report_what_they_run(cluster: Cluster, corpus: Corpus) -> None:
    with cluster.worker("teller"):
        job_id = cluster.train(corpus, **ENDLESS)
        cluster.running(job_id)
        info = eventually(lambda: next((seen for seen in cluster.seen() if job_id in seen.running), None))
        assert info is not None
        assert info.name == "teller@test"
        assert info.cores >= 1
        assert info.versions["torch"] == torch.__version__
        cluster.store.jobs.cancel(job_id)
        cluster.ended(job_id)
    assert cluster.seen() == []


def test_watchers_see_an_end_at_once(cluster: Cluster, corpus: Corpus) -> None:
    job_id = cluster.train(corpus)
    seen: list[EventType] = []

    def watch() -> None:
        after = "0-0"
        while EventType.DONE not in seen:
            for event in cluster.store.events.read(job_id, after=after).events:
                after = event.id
                seen.append(event.type)
            time.sleep(0.02)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with cluster.worker():
        watcher.join(timeout=60)
    assert seen[-1] is EventType.DONE


def test_an_emptied_redis_loses_no_training_and_no_model(cluster: Cluster, corpus: Corpus, made: Job) -> None:
    before = list(cluster.store.jobs.metrics(made.id))
    with cluster.worker("survivor"), redis.Redis.from_url(cluster.settings.redis_url.get_secret_value()) as client:
        running, waiting = cluster.train(corpus, **MIDDLING), cluster.train(corpus, epochs=1)
        eventually(lambda: cluster.volume.jobs.states(running), "a state is saved")
        client.flushall()
        for job_id in (running, waiting):
            eventually(lambda: cluster.store.jobs.find(job_id), "the record is back")  # noqa: B023
            assert cluster.weights(cluster.ended(job_id))
        assert cluster.weights(cluster.store.jobs.get(running)) == cluster.weights(made)
    again = cluster.store.jobs.get(made.id)
    assert (again.status, again.result, again.params) == (made.status, made.result, made.params)
    assert again.finished_ms == pytest.approx(made.finished_ms, abs=5000)
    assert list(cluster.store.jobs.metrics(made.id)) == before
    assert again.created_ms == pytest.approx(made.created_ms, abs=2000)
