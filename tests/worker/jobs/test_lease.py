"""A lease on a real server, with a clock of the test's own: it holds, waits, and is lost at the right moments."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import LeaseLost
from shared.jobs.record import JobType
from shared.store import Claim, Store
from tests.jobs import make_job
from tests.waiting import eventually
from tests.worker.clock import Clock
from worker.jobs.lease import Lease, StopRequest
from worker.jobs.lease_renewer import LeaseRenewer

TTL_S = 10.0


def claim(store: Store) -> Claim:
    job = make_job(JobType.TRAIN)
    store.jobs.create(job)
    claimed = store.jobs.claim(job.id, worker="w1", lease_s=TTL_S)
    assert claimed is not None
    return claimed


@contextmanager
def held(store: Store, claimed: Claim, clock: Clock, *, stall_s: float = 60, drain: bool = False) -> Iterator[Lease]:
    lease = Lease(
        store.jobs,
        claimed,
        ttl_s=TTL_S,
        stall_s=stall_s,
        lease_renewer=LeaseRenewer(),
        draining=lambda: drain,
        clock=clock,
    )
    with lease:
        yield lease


def test_with_nothing_wished_the_work_goes_on(store: Store, clock: Clock) -> None:
    with held(store, claim(store), clock) as lease:
        assert lease.check() is None


def test_a_wished_cancel_is_seen(store: Store, clock: Clock) -> None:
    claimed = claim(store)
    with held(store, claimed, clock) as lease:
        store.jobs.cancel(claimed.job.id)
        assert eventually(lease.check) is StopRequest.CANCEL


def test_a_cancel_comes_before_a_drain(store: Store, clock: Clock) -> None:
    claimed = claim(store)
    store.jobs.cancel(claimed.job.id)
    with held(store, claimed, clock, drain=True) as lease:
        eventually(lambda: lease.check() is StopRequest.CANCEL)


def test_a_drain_is_told_at_once(store: Store, clock: Clock) -> None:
    with held(store, claim(store), clock, drain=True) as lease:
        assert lease.check() is StopRequest.DRAIN


def test_the_heartbeat_prolongs_the_lease(store: Store, clock: Clock) -> None:
    claimed = claim(store)
    before = store.jobs.get(claimed.job.id).lease_until_ms
    with held(store, claimed, clock):
        eventually(lambda: store.jobs.get(claimed.job.id).lease_until_ms > before, "the lease is renewed")


def test_who_lost_the_job_is_told_to_stop(store: Store, clock: Clock) -> None:
    claimed = claim(store)
    with held(store, claimed, clock) as lease:
        store.jobs.release(claimed.job.id, claimed.token)

        def lost() -> bool:
            try:
                lease.check()
            except LeaseLost:
                return True
            return False

        eventually(lost)


def test_no_step_begins_while_the_lease_is_nearly_over(store: Store, clock: Clock) -> None:
    # Given a host that slept beyond its lease, its job with another by now
    claimed = claim(store)
    lease = Lease(store.jobs, claimed, ttl_s=TTL_S, stall_s=60, lease_renewer=LeaseRenewer(), clock=clock)
    clock.now += TTL_S
    store.jobs.release(claimed.job.id, claimed.token)
    outcome: list[object] = []

    def step() -> None:
        try:
            outcome.append(lease.check())
        except LeaseLost as exc:
            outcome.append(exc)

    # When it wakes and wants to go on, before it has heard from the store
    thread = threading.Thread(target=step)
    thread.start()
    assert outcome == []
    # Then it goes nowhere until the heartbeat has asked, and then it stops
    with lease:
        thread.join(timeout=60)
    assert isinstance(outcome[0], LeaseLost)


def test_who_shows_no_sign_of_life_is_no_longer_renewed(store: Store, clock: Clock) -> None:
    claimed = claim(store)
    with held(store, claimed, clock, stall_s=5) as lease:
        clock.now += 6
        eventually(lambda: not lease.beating, "the heartbeat has stopped")
