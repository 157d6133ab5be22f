"""Web servers and workers of the version before and of this one share a Redis and a volume, as during an upgrade."""

import itertools
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.ids import model_id_of
from shared.jobs.record import Status
from tests.versions.before import check_out, started, version_before
from tests.web.world import World
from tests.worker.cluster import Cluster
from worker.jobs.runner import run_job
from worker.maintenance.reconcile import reconcile

#: Some hundred steps.
TRAINING = {
    "recipe": "stream",
    "init_from": None,
    "hidden_size": 16,
    "embedding_size": 8,
    "batch_size": 4,
    "seq_length": 16,
    "epochs": 4,
    "patience": 0,
    "precision": "float32",
    "sample_chars": 0,
    "seed": 1,
}


def test_jobs_move_between_versions_and_end_rightly(
    redis_url: str, client: "redis.Redis", data_dir: Path, tmp_path: Path
) -> None:
    version = version_before()
    if version is None:
        pytest.skip(
            "the version before isn't in this checkout's history; fetch all of it (git fetch --unshallow --tags)"
        )
    new = Cluster.make(redis_url, data_dir, tmp_path, train_threads="1", lease_ttl_s="300", stall_s="300")
    web = World(new.settings)
    check_out(version, tmp_path / "before")
    # Its layer isn't compiled for this test, which would take longer than all else.
    environment = {**new.environment, "CHARLOOM_KERNEL": "none", "OMP_NUM_THREADS": "1"}
    with started(tmp_path / "before", environment) as old:

        def status(job_id: str) -> tuple[Status, int]:
            job = new.store.jobs.get(job_id)
            assert job.status is not Status.FAILED, job.error
            return job.status, job.attempt

        def train_by_old(**options: Any) -> str:
            return str(old.call("POST", "train-jobs", training | options)["id"])

        def run_by_old_or_new(queue: str, job_id: str) -> None:
            old.run(queue, job_id)
            if status(job_id) == (Status.QUEUED, 0):
                run_job(job_id, new.host())
            assert status(job_id) == (Status.SUCCEEDED, 1)

        training: dict[str, Any] = {**TRAINING, "corpus_id": web.corpus()}
        # A training of the old web server begins on the new worker and ends on the old one.
        steps = itertools.count()
        to_old = train_by_old()
        run_job(to_old, new.host(draining=lambda: next(steps) > 50))
        assert status(to_old) == (Status.QUEUED, 1)
        assert new.store.jobs.get(to_old).progress.step > 0
        old.run("train", to_old)
        assert status(to_old) == (Status.SUCCEEDED, 2)
        # One of the new web server is run by the old worker, or left to the new one.
        by_new = str(web.train(**training).json["id"])
        run_by_old_or_new("train", by_new)
        # Texts by each version's web server, worker and model.
        for model_id in map(model_id_of, (to_old, by_new)):
            asked: dict[str, Any] = {"model_id": model_id, "prompt": "The wind", "length": 50, "seed": 1}
            text = str(old.call("POST", "generate-jobs", asked)["id"])
            run_job(text, new.host())
            assert status(text) == (Status.SUCCEEDED, 1)
            text = str(old.call("POST", "generate-jobs", asked)["id"])
            old.run("generate", text)
            assert status(text) == (Status.SUCCEEDED, 1)
            run_by_old_or_new("generate", str(web.write(**asked).json["id"]))
        # A training moves from the old worker, which is then gone, to the new one.
        to_new = train_by_old(epochs=20)  # time to be drained in
        old.run("train", to_new, drain=True)
        assert status(to_new) == (Status.QUEUED, 1)
        run_job(to_new, new.host())
        assert status(to_new) == (Status.SUCCEEDED, 2)
        # Both servers show the same.
        for path in ("jobs", "models", "corpora"):
            shown, ours = old.call("GET", path)["data"], web.get(f"/{path}").json["data"]
            assert [one["id"] for one in shown] == [one["id"] for one in ours]
            assert len(shown) == {"jobs": 9, "models": 3, "corpora": 1}[path]
    # And the volume restores all of them.
    client.flushall()
    assert reconcile(new.store.jobs, new.volume, lease_s=10) == 9
    assert {job.status for job in new.store.jobs.page().jobs} == {Status.SUCCEEDED}
    web.close()
