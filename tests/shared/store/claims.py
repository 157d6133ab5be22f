"""What several tests of the store do with a job: claim it, lose its worker, make its message older."""

import redis

from shared.jobs.record import NewJob
from shared.store import Claim, Store, keys

LEASE_S = 10.0


def claimed(store: Store, job: NewJob) -> Claim:
    claim = store.jobs.claim(job.id, worker="w1", lease_s=LEASE_S)
    assert claim is not None
    return claim


def expire(store: Store, job: NewJob) -> None:
    store.jobs.lose(job.id, owner_id="w1")


def age_message(client: "redis.Redis", job_id: str, by_ms: int) -> None:
    sent = client.hget(keys.job(job_id), "sent")
    assert isinstance(sent, str)
    client.hset(keys.job(job_id), "sent", int(sent) - by_ms)
