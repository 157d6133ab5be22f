"""Charloom behind Redis Sentinels: it follows the primary, and a failover loses no job, cancel or end."""

from collections.abc import Iterator

import pytest

from shared.broker import Broker
from shared.errors import StoreUnavailable
from shared.jobs.record import Queue
from shared.settings import load
from shared.store import Store
from tests.redis_group import RedisGroup, redis_group
from tests.waiting import eventually


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisGroup]:
    with redis_group(tmp_path_factory.mktemp("redis")) as group:
        yield group


def responds(store: Store) -> bool:
    try:
        store.ping()
    except StoreUnavailable:
        return False
    return True


def test_store_and_broker_follow_the_primary(group: RedisGroup) -> None:
    settings = load({"CHARLOOM_REDIS_URL": group.url})
    store, broker = Store.of(settings), Broker.of(settings)
    store.ping()
    broker.send("job_x", Queue.TRAIN)
    group.fail_over()
    eventually(lambda: responds(store), "the store has found the new primary")
    broker.send("job_y", Queue.TRAIN)
    assert broker.waiting(Queue.TRAIN) == 2
    store.close()
