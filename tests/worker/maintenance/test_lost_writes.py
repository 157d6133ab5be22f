"""After a failover the newest writes are gone: what was acknowledged is known from the volume."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from shared.errors import LeaseLost
from shared.jobs.record import End, JobType, NewJob, Status
from shared.settings import load
from shared.store import Claim, Store, keys
from shared.volume import Volume
from shared.volume_sync import sync
from tests.jobs import make_job
from worker.maintenance.reconcile import reconcile

TEXT = {"outputs": [{"text": "a text"}]}


@pytest.fixture
def volume(redis_url: str, data_dir: Path) -> Volume:
    return Volume.of(load({"CHARLOOM_REDIS_URL": redis_url, "CHARLOOM_DATA_DIR": str(data_dir)}))


@contextmanager
def lost(client: "redis.Redis") -> Iterator[None]:
    """Undo all writes of the block, as a replica without them would that becomes the primary."""
    raw = redis.Redis(connection_pool=redis.ConnectionPool.from_url(url_of(client)))
    kept = {key: raw.dump(key) for key in raw.scan_iter()}
    yield
    raw.flushall()
    for key, value in kept.items():
        raw.restore(key, 0, value or b"")
    raw.set(keys.COMPARED, "another-history")
    raw.close()


def url_of(client: "redis.Redis") -> str:
    return f"unix://{client.connection_pool.connection_kwargs['path']}"


def put(store: Store, volume: Volume, job_type: JobType = JobType.GENERATE) -> NewJob:
    job = make_job(job_type)
    volume.jobs.create(job)
    store.jobs.create(job)
    return job


def claim(store: Store, job: NewJob) -> Claim:
    claimed = store.jobs.claim(job.id, worker="w1", lease_s=10)
    assert claimed is not None
    return claimed


def cancel(store: Store, volume: Volume, job: NewJob, _: Claim | None) -> None:
    store.jobs.cancel(job.id)
    sync(store.jobs.get(job.id), store.jobs, volume)


def succeed(store: Store, volume: Volume, job: NewJob, claimed: Claim | None) -> None:
    token = (claimed or claim(store, job)).token
    volume.jobs.end(job.id, End(status=Status.SUCCEEDED, result=TEXT))
    store.jobs.finish(job.id, token, Status.SUCCEEDED, result=TEXT)


def publish(store: Store, volume: Volume, job: NewJob, claimed: Claim | None) -> None:
    token = (claimed or claim(store, job)).token
    built = volume.jobs.open_attempt(job.id, token) / "model"
    built.mkdir()
    (built / "meta.json").write_text("{}")
    assert store.jobs.seal(job.id, token, "hash")
    succeed(store, volume, job, claimed or Claim(job=store.jobs.get(job.id), token=token))


@pytest.mark.parametrize(
    ("acknowledged", "job_type", "running", "expected"),
    [
        (cancel, JobType.TRAIN, False, Status.CANCELLED),
        (cancel, JobType.TRAIN, True, Status.CANCELLING),
        (succeed, JobType.GENERATE, False, Status.SUCCEEDED),
        (succeed, JobType.GENERATE, True, Status.SUCCEEDED),
        (publish, JobType.TRAIN, False, Status.SUCCEEDED),
        (publish, JobType.TRAIN, True, Status.SUCCEEDED),
    ],
)
def test_what_was_acknowledged_is_so_again(
    store: Store,
    client: "redis.Redis",
    volume: Volume,
    acknowledged: Callable[[Store, Volume, NewJob, Claim | None], None],
    job_type: JobType,
    running: bool,
    expected: Status,
) -> None:
    # Given a job, queued or claimed, and then changed
    job = put(store, volume, job_type)
    claimed = claim(store, job) if running else None
    with lost(client):
        acknowledged(store, volume, job, claimed)
        before = store.jobs.get(job.id)
    assert store.jobs.get(job.id).shown_status is (Status.RUNNING if running else Status.QUEUED)
    # When
    assert reconcile(store.jobs, volume, lease_s=10) == 1
    # Then
    found = store.jobs.get(job.id)
    assert (found.shown_status, found.result) == (expected, before.result)
    assert store.jobs.is_whole()
    assert reconcile(store.jobs, volume, lease_s=10) == 0
    if job_type is JobType.TRAIN and expected is Status.SUCCEEDED:
        assert volume.models.folder(job.model_id).is_dir()
        assert volume.jobs.min_token(job.id) == 0
    ended = found.status in (Status.SUCCEEDED, Status.CANCELLED)
    assert bool(client.zscore(keys.ENDED, job.id)) is ended
    assert client.zrank(keys.queue(job.queue), job.id) is None


def test_a_job_of_which_nothing_is_left_is_queued_again(store: Store, client: "redis.Redis", volume: Volume) -> None:
    put(store, volume)
    with lost(client):
        job = put(store, volume)
    assert reconcile(store.jobs, volume, lease_s=10) == 1
    assert store.jobs.get(job.id).status is Status.QUEUED


def test_no_token_is_given_twice(store: Store, client: "redis.Redis", volume: Volume) -> None:
    job = put(store, volume)
    with lost(client):
        first = claim(store, job)
    assert reconcile(store.jobs, volume, lease_s=10) == 0
    second = claim(store, job)
    assert second.token > first.token
    with pytest.raises(LeaseLost):
        store.jobs.renew(job.id, first.token, lease_s=10)


def test_a_training_s_new_token_is_above_its_folders(store: Store, client: "redis.Redis", volume: Volume) -> None:
    job = put(store, volume, JobType.TRAIN)
    with lost(client):
        first = claim(store, job)
        volume.jobs.open_attempt(job.id, first.token)
    reconcile(store.jobs, volume, lease_s=10)
    with pytest.raises(LeaseLost):
        store.jobs.renew(job.id, first.token, lease_s=10)
    again = store.jobs.claim(job.id, worker="w2", lease_s=10, min_token=volume.jobs.min_token(job.id))
    assert again is not None
    assert again.token == first.token + 1


def test_a_job_that_is_taken_before_its_folder_is_there_is_written_by_one_attempt_only(
    store: Store, client: "redis.Redis", volume: Volume
) -> None:
    job = put(store, volume, JobType.TRAIN)
    with lost(client):
        first = claim(store, job)
    reconcile(store.jobs, volume, lease_s=10)
    second = claim(store, job)
    assert second.token == first.token, "the volume knew nothing of it"
    volume.jobs.open_attempt(job.id, first.token)
    with pytest.raises(LeaseLost):
        volume.jobs.open_attempt(job.id, second.token)
