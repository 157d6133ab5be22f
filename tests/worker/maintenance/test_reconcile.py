"""Records are rebuilt from the volume, also where the server is emptied again meanwhile."""

from pathlib import Path

import pytest
import redis

from shared.jobs.record import End, JobError, JobType, NewJob, Status
from shared.settings import Settings
from shared.store import Store
from shared.volume import Volume
from tests.jobs import make_job
from worker.maintenance.reconcile import reconcile


@pytest.fixture
def volume(redis_url: str, data_dir: Path) -> Volume:
    return Volume.of(Settings.model_validate({"redis_url": redis_url, "data_dir": data_dir}))


def test_each_job_comes_back_as_the_volume_knows_it(store: Store, volume: Volume) -> None:
    # Given: jobs of which nothing, an attempt, a requested cancel, both, and an end are on the volume.
    never_begun, begun, cancelled, cancelling, ended, text = jobs = [make_job() for _ in range(5)] + [
        make_job(JobType.GENERATE)
    ]
    for job in jobs:
        volume.jobs.create(job)
    for job, token in ((begun, 3), (cancelling, 5)):
        volume.jobs.open_attempt(job.id, token)
    for job in (cancelled, cancelling):
        volume.jobs.request_cancel(job.id)
    volume.jobs.end(ended.id, End(status=Status.FAILED, error=JobError(code="diverged", detail="x")))
    assert not store.jobs.is_whole()
    # When
    assert reconcile(store.jobs, volume, lease_s=10) == len(jobs)
    # Then
    assert store.jobs.is_whole()
    found = {job.id: store.jobs.get(job.id) for job in jobs}
    assert [found[job.id].shown_status for job in jobs] == [
        Status.QUEUED,
        Status.RUNNING,
        Status.CANCELLED,
        Status.CANCELLING,
        Status.FAILED,
        Status.QUEUED,
    ]
    assert [found[job.id].token for job in (never_begun, begun, cancelling)] == [0, 3, 5]
    assert found[text.id].token > 1_000_000_000, "above any that was counted"
    assert found[ended.id].error == JobError(code="diverged", detail="x")
    assert found[ended.id].finished_ms == volume.jobs.ended_ms(ended.id)
    assert found[begun.id].started_ms is not None
    assert found[begun.id].lease_until_ms > found[begun.id].created_ms
    assert store.jobs.renew(begun.id, 3, lease_s=10) is False, "its worker goes on undisturbed"
    assert reconcile(store.jobs, volume, lease_s=10) == 0


def test_a_server_that_is_emptied_meanwhile_is_not_taken_for_whole(
    store: Store, client: "redis.Redis", volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [make_job() for _ in range(3)]
    for job in jobs:
        volume.jobs.create(job)
    asked, compared = volume.jobs.asked, []

    def ask_and_empty(job_id: str) -> NewJob | None:
        compared.append(job_id)
        if len(compared) == 2:
            client.flushall()
        return asked(job_id)

    with monkeypatch.context() as patched:
        patched.setattr(volume.jobs, "asked", ask_and_empty)
        reconcile(store.jobs, volume, lease_s=10)
    assert store.jobs.find(jobs[0].id) is None
    assert not store.jobs.is_whole()
    reconcile(store.jobs, volume, lease_s=10)
    assert all(store.jobs.find(job.id) for job in jobs)
    assert store.jobs.is_whole()


def test_one_that_begins_later_doesnt_undo_what_others_have_compared(store: Store, client: "redis.Redis") -> None:
    first, second = store.jobs.begin_comparison(), store.jobs.begin_comparison()
    store.jobs.end_comparison(first)
    assert store.jobs.is_whole()
    store.jobs.end_comparison(second)
    assert store.jobs.is_whole()
    client.flushall()
    after = store.jobs.begin_comparison()
    store.jobs.end_comparison(first)
    assert not store.jobs.is_whole(), "it compared with what was there before"
    store.jobs.end_comparison(after)
    assert store.jobs.is_whole()


def test_the_newest_model_that_a_crash_kept_from_being_published_is_published(store: Store, volume: Volume) -> None:
    job = make_job()
    volume.jobs.create(job)
    for token in (1, 2):
        built = volume.jobs.open_attempt(job.id, token) / "model"
        built.mkdir()
        (built / "meta.json").write_text(f'{{"token": {token}}}')
    volume.jobs.end(job.id, End(status=Status.SUCCEEDED, result={"model_id": job.model_id}))
    reconcile(store.jobs, volume, lease_s=10)
    assert (volume.models.folder(job.model_id) / "meta.json").read_text() == '{"token": 2}'
    assert volume.jobs.min_token(job.id) == 0, "nothing is left of its attempts"
    assert store.jobs.get(job.id).status is Status.SUCCEEDED
