"""A store on a clean database, and jobs to put in it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from shared.ids import model_id_of, new_id
from shared.jobs import JobType, NewJob
from shared.store import Store, connect


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    client = connect(redis_url)
    yield client
    client.close()


@pytest.fixture
def store(client: "redis.Redis") -> Store:
    return Store(client, events_cap=1000)


@pytest.fixture
def new_job() -> Callable[..., NewJob]:
    def make(**changes: Any) -> NewJob:
        job_id = new_id("job")
        fields: dict[str, Any] = {
            "id": job_id,
            "type": JobType.TRAIN,
            "params": {"corpus_id": "cor_x"},
            "model_id": model_id_of(job_id),
            "uses": ("cor_x",),
        }
        return NewJob(**fields | changes)

    return make
