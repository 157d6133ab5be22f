"""The fleet's figures: what the scripts count, and what becomes of workers."""

from dataclasses import replace

import pytest
import redis

from shared.errors import LeaseLost
from shared.jobs.record import JobType, Queue, Status
from shared.store import Store, WorkerInfo, keys
from tests.jobs import make_job

WORKER = WorkerInfo(
    name="w1@loom",
    host="loom",
    cores=2,
    threads=2,
    bfloat16=False,
    memory_bytes=1,
    versions={},
    owner_id="a",
    train_slots=1,
    generate_slots=2,
)


def begin(store: Store, job_type: JobType = JobType.TRAIN) -> tuple[str, int]:
    job = make_job(job_type)
    store.jobs.create(job)
    claim = store.jobs.claim(job.id, worker=WORKER.name, owner_id="a", lease_s=10)
    assert claim is not None
    return job.id, claim.token


def test_each_end_of_an_attempt_is_counted_by_type_and_outcome(store: Store) -> None:
    done, token = begin(store, JobType.GENERATE)
    store.jobs.record(done, token, characters=30)
    store.jobs.finish(done, token, Status.SUCCEEDED, characters=12)
    failed, token = begin(store)
    store.jobs.finish(failed, token, Status.FAILED)
    drained, token = begin(store)
    store.jobs.release(drained, token)
    lost, token = begin(store)
    store.jobs.lose(lost, owner_id="a")
    store.jobs.reap(lease_s=10)
    with pytest.raises(LeaseLost):
        store.jobs.record(lost, token)
    store.jobs.cancel(lost)
    facts = store.fleet.facts()
    assert {name: value for name, value in facts.counters.items() if not name.startswith(("wait", "run"))} == {
        "created:generate": 1,
        "created:train": 3,
        "attempts:generate": 1,
        "attempts:train": 3,
        "characters:generate": 42,
        "attempts_ended:generate:succeeded": 1,
        "ended:generate:succeeded": 1,
        "attempts_ended:train:failed": 1,
        "ended:train:failed": 1,
        "attempts_ended:train:drained": 1,
        "attempts_ended:train:lost": 1,
        "leases_lost:train": 1,
        "rescues:train:requeued": 1,
        "stale:record": 1,
        "ended:train:cancelled": 1,
    }
    assert facts.jobs[JobType.TRAIN, Status.QUEUED] == 1
    assert facts.queues[Queue.TRAIN].depth == 1
    assert [(event.what, event.worker, event.job_id) for event in store.fleet.events()] == [
        ("job_lost", WORKER.name, lost),
        ("job_drained", WORKER.name, drained),
    ]


def test_waits_and_runs_fall_into_buckets(store: Store, client: "redis.Redis") -> None:
    job = make_job()
    store.jobs.create(job)
    queued = client.hget(keys.job(job.id), "queued")
    assert isinstance(queued, str)
    client.hset(keys.job(job.id), "queued", int(queued) - 7_000)
    client.zadd(keys.queue(Queue.TRAIN), {job.id: int(queued) - 7_000})
    assert 7 <= store.fleet.facts().queues[Queue.TRAIN].oldest_s < 60
    claim = store.jobs.claim(job.id, worker="w1", lease_s=10)
    assert claim is not None
    client.hset(keys.job(job.id), "claimed", int(queued) - 90_000_000)
    store.jobs.finish(job.id, claim.token, Status.SUCCEEDED)
    waits, runs = (store.fleet.facts().durations(what, JobType.TRAIN) for what in ("wait", "run"))
    assert waits.counts == [0, 0, 0, 0, 1] + [0] * 7, "between 5 and 15 seconds"
    assert runs.counts == [0] * 11 + [1], "more than a day"
    assert (runs.mean_s or 0) >= 90_000
    assert store.fleet.facts().durations("run", JobType.IMPORT).mean_s is None


def test_a_record_of_an_older_version_is_claimed_without_its_times(store: Store, client: "redis.Redis") -> None:
    job = make_job()
    store.jobs.create(job)
    client.hdel(keys.job(job.id), "queued", "claimed")
    claim = store.jobs.claim(job.id, worker="w1", lease_s=10)
    assert claim is not None
    client.hdel(keys.job(job.id), "claimed")
    store.jobs.finish(job.id, claim.token, Status.SUCCEEDED)
    assert store.fleet.facts().durations("run", JobType.TRAIN).mean_s is None


def test_a_worker_that_falls_silent_is_lost_until_it_is_back(store: Store, client: "redis.Redis") -> None:
    store.workers.report(WORKER)
    assert [info.name for info in store.fleet.facts().workers] == [WORKER.name]
    client.delete(keys.worker(WORKER.name))
    assert store.fleet.facts().lost_workers == [WORKER.name], "nobody else is there to notice"
    client.zadd(keys.WORKERS, {WORKER.name: 1})
    store.workers.report(replace(WORKER, name="w2@loom", owner_id="b"))
    assert store.fleet.facts().lost_workers == [WORKER.name]
    store.workers.report(WORKER)
    assert store.fleet.facts().lost_workers == []
    store.workers.leave(WORKER.name)
    assert store.fleet.facts().lost_workers == [], "it said goodbye"
    assert [event.what for event in store.fleet.events() if event.worker == WORKER.name] == [
        "worker_left",
        "worker_joined",
        "worker_lost",
        "worker_joined",
    ]


def test_a_worker_drains_until_it_is_withdrawn_or_its_process_ends(store: Store) -> None:
    assert not store.workers.drain(WORKER.name, on=True), "it isn't seen"
    assert store.workers.report(WORKER) == (None, False)
    for _ in "12":
        assert store.workers.drain(WORKER.name, on=True)
    assert store.workers.seen()[0].draining
    assert store.workers.report(WORKER)[1]
    assert store.workers.drain(WORKER.name, on=False)
    assert not store.workers.report(WORKER)[1]
    assert store.workers.drain(WORKER.name, on=True)
    assert not store.workers.report(replace(WORKER, owner_id="b"))[1], "another process of this name"
    assert not store.workers.report(WORKER)[1]
    drains = [event.what for event in store.fleet.events() if event.what in ("worker_draining", "worker_resumed")]
    assert drains == ["worker_draining", "worker_resumed", "worker_draining"]
