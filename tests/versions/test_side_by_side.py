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
    new = Cluster.make(redis_url, data_dir, tmp_path, train_threads="1")
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
        old.run("train", by_new)
        if status(by_new) == (Status.QUEUED, 0):
            run_job(by_new, new.host())
        assert status(by_new) == (Status.SUCCEEDED, 1)
        # Texts by each version's web server, worker and model.
        wanted = {"prompt": "The wind", "length": 50, "seed": 1}
        for model_id in map(model_id_of, (to_old, by_new)):
            asked = {"model_id": model_id, **wanted}
            by_old, text = str(old.call("POST", "generate-jobs", asked)["id"]), str(web.write(**asked).json["id"])
            run_job(by_old, new.host())
            old.run("generate", text)
            assert status(by_old) == status(text) == (Status.SUCCEEDED, 1)
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
            assert len(shown) == {"jobs": 7, "models": 3, "corpora": 1}[path]
    # And the volume restores all of them.
    client.flushall()
    assert reconcile(new.store.jobs, new.volume, lease_s=10) == 7
    assert {job.status for job in new.store.jobs.page().jobs} == {Status.SUCCEEDED}
    web.close()
