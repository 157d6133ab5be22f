"""A worker claims no job that it can't run: on another folder, with newer options, or before Redis is compared."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from shared.errors import NotFound, VolumeGone
from shared.ids import new_id
from shared.jobs.record import JobType, NewJob, Status
from shared.settings import load
from shared.store import Store, keys
from shared.volume import Volume
from shared.volume_guard import VolumeGuard
from tests.jobs import make_job
from worker.jobs import runner
from worker.jobs.attempt import Attempt, WorkerContext
from worker.jobs.lease_renewer import LeaseRenewer
from worker.jobs.model_cache import ModelCache
from worker.jobs.step_log import StepLog
from worker.maintenance.reconcile import reconcile


def on(store: Store, folder: Path) -> WorkerContext:
    """Return what a worker with this folder runs jobs with."""
    volume = Volume(folder)
    return WorkerContext(
        name="w1",
        owner_id="w1",
        settings=load({}),
        store=store,
        volume=volume,
        volume_guard=VolumeGuard(store, volume),
        train_threads=1,
        step_log=StepLog(None),
        lease_renewer=LeaseRenewer(),
        model_cache=ModelCache(volume),
    )


@pytest.fixture
def job(store: Store, tmp_path: Path) -> NewJob:
    """Queue a job whose model is nowhere, on a marked volume."""
    volume = Volume(tmp_path / "volume")
    VolumeGuard(store, volume).check()
    made = make_job(JobType.GENERATE, params={"model_id": new_id("mod"), "length": 10})
    volume.jobs.create(made)
    store.jobs.create(made)
    return made


def test_a_worker_below_a_missing_mount_leaves_jobs_in_their_queue(store: Store, tmp_path: Path, job: NewJob) -> None:
    runner.run_job(job.id, on(store, tmp_path / "empty"))
    assert (store.jobs.get(job.id).status, store.jobs.get(job.id).attempt) == (Status.QUEUED, 0)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("job.json", {"params": {"recipe": "stream", "future": 1}}),
        ("job.json", {"params": {"recipe": "future"}}),
        ("job.json", {"version": 2}),
        ("job.json", {"type": "dream"}),
        ("t1/state.json", {"version": 2}),
    ],
)
def test_a_job_of_a_newer_version_is_left_to_a_newer_worker(
    store: Store, tmp_path: Path, file: str, content: dict[str, Any]
) -> None:
    volume = Volume(tmp_path / "volume")
    VolumeGuard(store, volume).check()
    newer = make_job(params={"corpus_id": new_id("cor"), "recipe": "stream"})
    volume.jobs.create(newer)
    store.jobs.create(newer)
    path = tmp_path / "volume" / "jobs" / newer.id / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | content))
    runner.run_job(newer.id, on(store, tmp_path / "volume"))
    assert (store.jobs.get(newer.id).status, store.jobs.get(newer.id).attempt) == (Status.QUEUED, 0)


def test_no_job_is_claimed_while_redis_may_have_old_records(
    store: Store, client: "redis.Redis", tmp_path: Path, job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "COMPARED_S", 0)
    client.set(keys.COMPARED, "the history before a failover")
    runner.run_job(job.id, on(store, tmp_path / "volume"))
    assert (store.jobs.get(job.id).status, store.jobs.get(job.id).attempt) == (Status.QUEUED, 0)
    reconcile(store.jobs, Volume(tmp_path / "volume"), lease_s=10)
    runner.run_job(job.id, on(store, tmp_path / "volume"))
    assert store.jobs.get(job.id).attempt == 1


def _not_found(_: Attempt) -> Any:
    raise NotFound("There is no such model.")


def _stale(_: Attempt) -> Any:
    raise VolumeGone("The data volume can't be used now: the network file system lost the file.")


def _missing(_: Attempt) -> Any:
    raise FileNotFoundError("text.txt")


@pytest.mark.parametrize(
    ("work", "unmounted", "status"),
    [
        (_not_found, False, Status.FAILED),
        (_not_found, True, Status.QUEUED),
        (_missing, True, Status.QUEUED),
        (_stale, False, Status.QUEUED),
    ],
)
def test_a_job_fails_on_the_volume_only(
    store: Store,
    tmp_path: Path,
    job: NewJob,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[Attempt], Any],
    unmounted: bool,
    status: Status,
) -> None:
    def run(attempt: Attempt) -> Any:
        if unmounted:
            (tmp_path / "volume").rename(tmp_path / "elsewhere")
        return work(attempt)

    monkeypatch.setitem(runner._RUN, JobType.GENERATE, run)
    runner.run_job(job.id, on(store, tmp_path / "volume"))
    for reaped in store.jobs.reap(lease_s=10):
        assert reaped.job_id == job.id
    assert store.jobs.get(job.id).status is status
