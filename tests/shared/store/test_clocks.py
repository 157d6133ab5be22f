"""A host whose clock is minutes off loses no job, deletes none early, and is seen: only Redis's clock counts."""

import time

import pytest

from shared import ids
from shared.jobs.record import Status
from shared.store import Store, WorkerInfo
from tests.jobs import make_job


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
