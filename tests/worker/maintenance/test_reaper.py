"""The reaper on a real server, with a clock of the test's own: patient after a restart, tireless with messages."""

from pathlib import Path
from typing import Any

import pytest
import redis

from shared.broker import Broker
from shared.errors import StoreUnavailable
from shared.jobs.record import Queue, Status
from shared.settings import Settings
from shared.store import Store, keys
from shared.volume import Volume
from shared.volume_guard import VolumeGuard
from tests.jobs import make_job
from tests.worker.clock import Clock
from worker.jobs.publish import seal
from worker.maintenance.reaper import Reaper


@pytest.fixture
def settings(redis_url: str, data_dir: Path) -> Settings:
    return Settings.model_validate({"redis_url": redis_url, "data_dir": data_dir})


@pytest.fixture
def broker(settings: Settings) -> Broker:
    return Broker.of(settings)


@pytest.fixture
def reaper(store: Store, broker: Broker, settings: Settings, clock: Clock) -> Reaper:
    volume = Volume.of(settings)
    guard = VolumeGuard(store, volume)
    guard.check()  # the volume is marked before there are jobs
    return Reaper(store, broker, volume, settings, volume_guard=guard, clock=clock)


def lost(store: Store) -> str:
    """Put in a job whose worker is silent; return its id."""
    job = make_job()
    store.jobs.create(job)
    store.jobs.claim(job.id, worker="w1", lease_s=10)
    store.jobs.lose(job.id, owner_id="w1")
    return job.id


def test_a_lost_job_is_queued_again_and_its_message_sent(store: Store, broker: Broker, reaper: Reaper) -> None:
    job_id = lost(store)
    reaper.check()
    assert store.jobs.get(job_id).status is Status.QUEUED
    assert broker.waiting(Queue.TRAIN) == 1
    reaper.check()
    assert broker.waiting(Queue.TRAIN) == 1, "once is enough"


def test_after_a_restart_or_failover_of_redis_leases_get_their_time_before_they_are_taken_for_over(
    store: Store, reaper: Reaper, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaper.check()
    job_id = lost(store)
    monkeypatch.setattr(store.jobs, "history", lambda: "another")
    reaper.check()
    assert store.jobs.get(job_id).status is Status.RUNNING, "its worker may be about to renew"
    clock.now += 9
    reaper.check()
    assert store.jobs.get(job_id).status is Status.RUNNING, "a lease lasts ten seconds"
    clock.now += 2
    reaper.check()
    assert store.jobs.get(job_id).status is Status.QUEUED


def test_what_a_former_primary_still_took_is_found_a_while_after_a_failover(
    store: Store, settings: Settings, reaper: Reaper, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaper.check()
    monkeypatch.setattr(store.jobs, "history", lambda: "another")
    reaper.check()
    monkeypatch.undo()
    reaper.check()
    job = make_job()
    Volume.of(settings).jobs.create(job)
    reaper.check()
    assert store.jobs.find(job.id) is None
    clock.now += 31
    reaper.check()
    assert store.jobs.get(job.id).status is Status.QUEUED


def test_a_message_that_is_lost_is_sent_again_once_its_queue_has_stayed_empty(
    store: Store, client: "redis.Redis", broker: Broker, reaper: Reaper, clock: Clock
) -> None:
    job = make_job()
    store.jobs.create(job)
    store.jobs.sent(job.id)
    sent = client.hget(keys.job(job.id), "sent")
    assert isinstance(sent, str)
    client.hset(keys.job(job.id), "sent", int(sent) - 6_000)
    reaper.check()
    assert broker.waiting(Queue.TRAIN) == 0, "it has only just been seen empty"
    clock.now += 6
    reaper.check()
    assert broker.waiting(Queue.TRAIN) == 1


def test_it_connects_once(client: "redis.Redis", reaper: Reaper) -> None:
    reaper.check()
    before = client.info("stats")["total_connections_received"]
    for _ in range(3):
        reaper.check()
    assert client.info("stats")["total_connections_received"] == before


def test_old_jobs_go_from_the_store_and_from_the_volume(
    store: Store, broker: Broker, settings: Settings, clock: Clock
) -> None:
    volume = Volume.of(settings)
    brief = settings.model_copy(update={"job_ttl_days": 1e-9})
    job = make_job()
    volume.jobs.create(job)
    store.jobs.create(job)
    store.jobs.cancel(job.id)
    client: Any = store._client
    client.zadd(keys.ENDED, {job.id: 0})
    Reaper(store, broker, volume, brief, volume_guard=VolumeGuard(store, volume), clock=clock).check()
    assert store.jobs.find(job.id) is None
    assert volume.jobs.list_ids() == []


def test_old_jobs_go_from_a_redis_that_is_full(store: Store, client: "redis.Redis", reaper: Reaper) -> None:
    # Given: a job that is to be deleted, and a lost one, whose message a full Redis doesn't take
    old = make_job()
    lost(store)
    store.jobs.create(old)
    store.jobs.cancel(old.id)
    client.zadd(keys.ENDED, {old.id: 0})
    store.jobs.end_comparison(store.jobs.begin_comparison())
    client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            reaper.check()
        assert store.jobs.find(old.id) is None
    finally:
        client.config_set("maxmemory", "0")


def test_a_queue_counts_as_empty_only_from_when_it_was_seen_empty_last(
    store: Store, client: "redis.Redis", broker: Broker, reaper: Reaper, clock: Clock
) -> None:
    # Given: a job whose message is lost, and a queue that is empty, then isn't, then is again.
    job = make_job()
    store.jobs.create(job)
    store.jobs.sent(job.id)
    client.hset(keys.job(job.id), "sent", int(client.hget(keys.job(job.id), "sent") or 0) - 60_000)
    reaper.check()
    other = make_job()
    broker.send(other.id, Queue.TRAIN)
    clock.now += 4
    reaper.check()
    for key in client.scan_iter(f"*{Queue.TRAIN.value}", _type="list"):
        client.delete(key)
    assert broker.waiting(Queue.TRAIN) == 0
    clock.now += 4
    reaper.check()
    # Then: eight seconds after it was first seen empty, that counts for nothing.
    assert broker.waiting(Queue.TRAIN) == 0
    clock.now += 6
    reaper.check()
    assert broker.waiting(Queue.TRAIN) == 1


def test_the_volume_learns_of_the_ends_that_reapers_bring_about(
    store: Store, settings: Settings, reaper: Reaper
) -> None:
    volume = Volume.of(settings)
    cancelled, failed, sealed, noted = jobs = [make_job(max_attempts=1) for _ in range(4)]
    for job in jobs:
        volume.jobs.create(job)
        store.jobs.create(job)
        claim = store.jobs.claim(job.id, worker="w1", lease_s=10)
        assert claim is not None
        if job is cancelled:
            store.jobs.cancel(job.id)
        if job is sealed:
            built = volume.jobs.open_attempt(job.id, claim.token) / "model"
            built.mkdir()
            (built / "meta.json").write_text("{}")
            assert seal(store.jobs, volume, job.id, claim.token, sha256="ab", result={"model_id": job.model_id})
        if job is noted:  # its end couldn't be written when it came
            store.jobs.finish(job.id, claim.token, Status.FAILED)
            store.jobs.mark_pending(job.id)
        store.jobs.lose(job.id, owner_id="w1")
    reaper.check()
    ends = [volume.jobs.ended(job.id) for job in jobs]
    assert [end and end.status for end in ends] == [
        "cancelled",
        "failed",
        "succeeded",
        "failed",
    ]
    assert store.jobs.get(sealed.id).result == {"model_id": sealed.model_id}
    assert volume.models.folder(sealed.model_id).is_dir()
    assert not store.jobs.pending_sync()
    error = store.jobs.get(failed.id).error
    assert error is not None
    assert error.code == "worker_lost"
