"""A real worker, watched: its metrics, its log, the real Flower, and a drain while it trains."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis
from prometheus_client.parser import text_string_to_metric_families

from shared.jobs.record import Job, Status
from tests.ports import free_port
from tests.waiting import eventually
from tests.web.world import API, World
from tests.worker.cluster import ENDLESS, ROOT, SMALL, Cluster

REQUEST = "from-the-browser.1"


@contextmanager
def flower(cluster: Cluster) -> Iterator[httpx.Client]:
    """Start Flower as docs/metrics.md says."""
    port = free_port()
    words = [sys.executable, "-m", "celery", "-A", "shared.broker", "flower", "--address=127.0.0.1", f"--port={port}"]
    environment = {**cluster.environment, "FLOWER_UNAUTHENTICATED_API": "1"}
    with (cluster.logs / "flower.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            eventually(lambda: answers(client), "Flower answers", within_s=120)
            yield client
    finally:
        process.kill()
        process.wait()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/api/workers").status_code == 200
    except httpx.TransportError:
        return False


def gauge(url: str, name: str) -> float:
    families = text_string_to_metric_families(httpx.get(url).text)
    return next(sample.value for family in families for sample in family.samples if sample.name == name)


def fleet_value(world: World, name: str) -> float:
    families = text_string_to_metric_families(world.http.get("/metrics").text)
    samples = (sample for family in families for sample in family.samples)
    return next(one.value for one in samples if one.name == name and one.labels.get("type") == "train")


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]


def test_a_worker_is_watched_and_drained(redis_url: str, tmp_path: Path) -> None:
    options = {"celery_events": "1", "metrics_port": "0", "log_format": "json", "train_threads": "1"}
    cluster = Cluster.make(redis_url, tmp_path / "data", tmp_path, lease_ttl_s="3", **options)
    world = World(cluster.settings)
    with cluster.worker(), flower(cluster) as client:
        # It answers before it listens to events, and learns of no task that ended before. The worker listens too.
        with redis.Redis.from_url(redis_url) as broker:
            eventually(lambda: broker.pubsub_numpat() >= 2, "Flower listens", within_s=60)
        corpus_id = world.corpus((ROOT / "shared" / "sample.txt").read_bytes())
        asked = {"corpus_id": corpus_id, **SMALL, "max_seconds": 1}
        sent = world.http.post(f"{API}/train-jobs", json=asked, headers={"X-Request-Id": REQUEST})
        assert sent.headers["X-Request-Id"] == REQUEST
        job = cluster.ended(sent.json["id"])
        assert (job.status, job.request_id) == (Status.SUCCEEDED, REQUEST)

        # Every line behind Celery's banner is JSON, and one search finds the job's.
        log = tmp_path / "w1.log"
        assert " INFO " not in log.read_text()

        def about_it() -> list[dict[str, Any]]:
            return [line for line in lines(log) if line.get("request_id") == REQUEST]

        eventually(lambda: any("ended here" in line["message"] for line in about_it()), "the last line is logged")
        assert {(line["job"], line["attempt"], line["worker"]) for line in about_it()} == {(job.id, 1, "w1@test")}

        # Its own metrics, and the fleet's at the web server.
        served = next(line["message"] for line in lines(log) if "Metrics are served" in line["message"])
        url = re.search(r"http://\S+", served)[0]  # type: ignore[index]
        assert gauge(url, "charloom_worker_draining") == 0
        fleet = {
            sample.name: sample.value
            for family in text_string_to_metric_families(world.http.get("/metrics").text)
            for sample in family.samples
            if sample.labels.get("type", "train") == "train"
        }
        assert fleet["charloom_job_wait_seconds_count"] == fleet["charloom_attempt_run_seconds_count"] == 1

        # The real Flower sees the worker and its task.
        def tasks() -> set[tuple[str, str, str]]:
            found = client.get("/api/tasks").json().values()
            return {(task["name"], task["state"], str(task["worker"])) for task in found}

        eventually(lambda: ("run.train", "SUCCESS", "w1@test") in tasks(), "Flower has seen the task")

        def queues() -> set[str]:
            workers = client.get("/api/workers", params={"refresh": "1"}).json()
            return {queue["name"] for queue in workers["w1@test"]["active_queues"]}

        eventually(lambda: queues() == {"train", "generate"}, "Flower sees both queues, after the slot is free")

        # A drain: the training is saved and released, nothing is taken, until it is withdrawn.
        endless = cluster.train(cluster.corpus(ROOT / "shared" / "sample.txt"), **ENDLESS)
        trained = cluster.running(endless, step=5)
        eventually(lambda: fleet_value(world, "charloom_characters_total") > 1000, "its characters are counted")
        assert world.http.post(f"{API}/workers/w1@test/drain").json["draining"]

        def is_released() -> Job | None:
            found = cluster.store.jobs.get(endless)
            return found if found.status is Status.QUEUED and not cluster.seen()[0].running else None

        released = eventually(is_released, "the training is released")
        assert released is not None
        assert released.progress.step >= trained.progress.step
        assert gauge(url, "charloom_worker_draining") == 1
        written = cluster.write("mod_" + "0" * 26)
        eventually(lambda: cluster.broker.waiting(released.queue), "its message waits")
        assert cluster.store.jobs.get(written).status is Status.QUEUED
        assert world.http.post(f"{API}/workers/w1@test/undrain").status_code == 200
        cluster.running(endless, step=released.progress.step + 1)
        assert cluster.store.jobs.get(endless).lost_attempts == 0
        assert cluster.ended(written).status is Status.FAILED
        cluster.store.jobs.cancel(endless)
        cluster.ended(endless)
    world.close()
