"""A host whose clock is minutes off loses no job, deletes none early, and is seen: only Redis's clock counts.

That one may be set back, too.
"""

import json
import time

import pytest
import redis

from shared import ids
from shared.jobs.record import NewJob, Queue, Status
from shared.store import Store, WorkerInfo, keys
from tests.jobs import make_job
from tests.shared.store.claims import LEASE_S, claimed, create_sent

HOUR_MS = 3_600_000


@pytest.fixture(params=[-600, 600])
def off_s(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> float:
    """Set this process's clock."""
    now, now_ns, off = time.time, time.time_ns, float(request.param)
    monkeypatch.setattr(time, "time", lambda: now() + off)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns() + int(off * 1e9))
    monkeypatch.setattr(ids, "_numbers", ids._Ascending())  # or later tests' ids would go on from this clock
    return off


def test_leases_ages_and_heartbeats_are_timed_by_redis(store: Store, off_s: float) -> None:
    running, ended = make_job(), make_job()
    for job in (running, ended):
        store.jobs.create(job)
    claim = store.jobs.claim(running.id, worker="w1", lease_s=10)
    assert claim is not None
    assert store.jobs.reap(lease_s=10) == []
    store.jobs.renew(running.id, claim.token, lease_s=10)
    assert store.jobs.get(running.id).status is Status.RUNNING
    store.jobs.cancel(ended.id)
    assert list(store.jobs.purge(age_s=300)) == []
    assert store.jobs.find(ended.id) is not None
    info = WorkerInfo(name="w1", host="a", cores=1, threads=1, bfloat16=False, memory_bytes=1, versions={})
    store.workers.report(info)
    [seen] = store.workers.seen()
    assert (seen.clock_ms - seen.seen_ms) / 1000 == pytest.approx(off_s, abs=30), "which `charloom doctor` reports"


def set_clock_back(client: "redis.Redis", job: NewJob) -> None:
    """Make a record look as after the server's clock was set back by an hour: all its times lie an hour ahead."""
    key = keys.job(job.id)
    for name in ("lease_until", "sent"):
        if value := client.hget(key, name):
            client.hset(key, name, int(value) + HOUR_MS)
    for index in (keys.RUNNING, keys.OUTBOX):
        if client.zscore(index, job.id) is not None:
            client.zincrby(index, HOUR_MS, job.id)
    claimed_key = keys.LAYOUT["claimed"] + job.queue
    if client.get(claimed_key):
        client.incrby(claimed_key, HOUR_MS)


def test_a_clock_set_back_makes_no_lease_longer_than_it_is(store: Store, client: "redis.Redis") -> None:
    held, silent = make_job(), make_job()
    tokens = []
    for job in (held, silent):
        store.jobs.create(job)
        tokens.append(claimed(store, job).token)
        set_clock_back(client, job)
    now = client.time()[0] * 1000
    store.jobs.renew(held.id, tokens[0], lease_s=LEASE_S)
    assert store.jobs.get(held.id).lease_until_ms <= now + 2000 + LEASE_S * 1000
    assert not store.jobs.reap(lease_s=LEASE_S), "a silent one gets its whole lease once more"
    until = store.jobs.get(silent.id).lease_until_ms
    assert until <= now + 2000 + LEASE_S * 1000
    assert client.zscore(keys.RUNNING, silent.id) == until


def test_a_clock_set_back_delays_no_message(store: Store, client: "redis.Redis") -> None:
    unsent, lost = make_job(), make_job()
    store.jobs.create(unsent)
    set_clock_back(client, unsent)
    assert list(store.jobs.due(stayed_empty=lambda _: False)) == [(unsent.id, Queue.TRAIN)]
    store.jobs.create(lost)
    store.jobs.sent(lost.id)
    set_clock_back(client, lost)
    assert not store.jobs.due(stayed_empty=lambda _: True), "it counts as sent just now"
    assert int(client.hget(keys.job(lost.id), "sent") or 0) <= client.time()[0] * 1000 + 2000


def test_a_worker_long_gone_is_not_seen_after_the_clock_was_set_back(store: Store, client: "redis.Redis") -> None:
    info = WorkerInfo(
        name="w1", host="h", cores=2, threads=1, bfloat16=False, memory_bytes=1, versions={}, owner_id="one"
    )
    assert store.workers.report(info) == (None, False)
    assert [seen.name for seen in store.workers.seen()] == ["w1"]
    reported = json.loads(client.get(keys.worker("w1")) or "")
    client.set(keys.worker("w1"), json.dumps(reported | {"seen_ms": reported["seen_ms"] + HOUR_MS}))
    assert not store.workers.seen()


def test_a_claim_from_before_the_clock_was_set_back_shows_no_message_as_lost(
    store: Store, client: "redis.Redis"
) -> None:
    before, first, _ = create_sent(store, client, 0, 7_000, 6_000)
    claimed(store, before)
    client.incrby(keys.LAYOUT["claimed"] + Queue.TRAIN, HOUR_MS)
    claimed(store, first)
    assert not store.jobs.due(stayed_empty=lambda _: False), "only messages from before it were passed"
