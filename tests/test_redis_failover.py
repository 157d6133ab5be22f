"""Charloom behind Redis Sentinels: it follows the primary, and a failover loses no job, cancel or end."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from shared.broker import Broker
from shared.errors import StoreUnavailable
from shared.jobs.record import JobType, Status
from shared.settings import load
from shared.store import Store
from shared.volume import Volume
from shared.volume_guard import VolumeGuard
from shared.volume_sync import sync
from tests.jobs import make_job
from tests.redis_group import RedisGroup, redis_group
from tests.waiting import eventually
from web.submission.enqueue import Submitter
from worker.maintenance.reaper import Reaper


@pytest.fixture
def group(tmp_path: Path) -> Iterator[RedisGroup]:
    with redis_group(tmp_path / "redis") as group:
        yield group


def responds(store: Store) -> bool:
    try:
        store.ping()
    except StoreUnavailable:
        return False
    return True


def test_what_only_the_dead_primary_knew_is_known_again(group: RedisGroup, tmp_path: Path) -> None:
    # Given: a job that waits, and one that runs, of which the replica knows
    settings = load({"CHARLOOM_REDIS_URL": group.url, "CHARLOOM_DATA_DIR": str(tmp_path)})
    store, broker, volume = Store.of(settings), Broker.of(settings), Volume.of(settings)
    reaper = Reaper(store, broker, volume, settings, volume_guard=VolumeGuard(store, volume))
    submitter = Submitter(store=store, broker=broker, volume=volume)
    waiting, running = submitter.submit(make_job(JobType.GENERATE)), submitter.submit(make_job())
    claim = store.jobs.claim(running.id, worker="w1", lease_s=10)
    assert claim is not None
    volume.jobs.open_attempt(running.id, claim.token)
    reaper.check()
    group.wait_for_replicas()
    # When: what is acknowledged then dies with the primary
    group.stop_replication()
    store.jobs.cancel(waiting.id)
    sync(store.jobs.get(waiting.id), store.jobs, volume)
    newest = submitter.submit(make_job())
    group.fail_over()
    eventually(lambda: responds(store), "the store has found the new primary")
    assert store.jobs.find(newest.id) is None, "the new primary never had it"
    assert store.jobs.get(waiting.id).status is Status.QUEUED
    assert not store.jobs.is_whole()
    # Then
    reaper.check()
    assert store.jobs.get(newest.id).status is Status.QUEUED
    assert store.jobs.get(waiting.id).status is Status.CANCELLED
    assert store.jobs.renew(running.id, claim.token, lease_s=10) is False, "its worker continues"
    broker.send(newest.id, newest.queue)
    assert broker.waiting(newest.queue) > 0, "the broker follows, too"
    # When no server is left: that is an error which reapers and web servers know
    for process in group.servers.values():
        process.kill()
    for ask in (store.ping, partial(broker.send, newest.id, newest.queue), partial(broker.waiting, newest.queue)):
        with pytest.raises(StoreUnavailable):
            ask()
    store.close()
