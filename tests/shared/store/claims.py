"""What several tests of the store do with a job: claim it, lose its worker, make its message older."""

import redis

from shared.jobs.record import NewJob
from shared.store import Claim, Store, keys
from tests.jobs import make_job

LEASE_S = 10.0


def claimed(store: Store, job: NewJob) -> Claim:
    claim = store.jobs.claim(job.id, worker="w1", lease_s=LEASE_S)
    assert claim is not None
    return claim


def expire(store: Store, job: NewJob) -> None:
    store.jobs.lose(job.id, owner_id="w1")


def create_sent(store: Store, client: "redis.Redis", *ages_ms: int) -> list[NewJob]:
    """Create jobs whose messages were sent so long ago."""
    jobs = [make_job() for _ in ages_ms]
    for job, age_ms in zip(jobs, ages_ms, strict=True):
        store.jobs.create(job)
        store.jobs.sent(job.id)
        age_message(client, job.id, age_ms)
    return jobs


def age_message(client: "redis.Redis", job_id: str, by_ms: int) -> None:
    sent = client.hget(keys.job(job_id), "sent")
    assert isinstance(sent, str)
    client.hset(keys.job(job_id), "sent", int(sent) - by_ms)
