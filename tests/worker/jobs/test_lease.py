"""A lease on a real server, with a clock of the test's own: it holds, waits, and is lost at the right moments."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import redis

from shared.errors import LeaseLost
from shared.jobs.record import JobType, Status
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


def test_with_nothing_requested_the_work_goes_on(store: Store, clock: Clock) -> None:
    with held(store, claim(store), clock) as lease:
        assert lease.check() is None


def test_a_requested_cancel_is_seen(store: Store, clock: Clock) -> None:
    claimed = claim(store)
    with held(store, claimed, clock) as lease:
        store.jobs.cancel(claimed.job.id)
        assert eventually(lease.check) is StopRequest.CANCEL


def test_a_cancel_comes_before_a_drain(store: Store, clock: Clock) -> None:
    claimed = claim(store)
    store.jobs.cancel(claimed.job.id)
    with held(store, claimed, clock, drain=True) as lease:
        eventually(lambda: lease.check() is StopRequest.CANCEL)


def test_a_drain_is_noticed_at_once(store: Store, clock: Clock) -> None:
    with held(store, claim(store), clock, drain=True) as lease:
        assert lease.check() is StopRequest.DRAIN


def test_the_heartbeat_prolongs_the_lease(store: Store, clock: Clock) -> None:
    claimed = claim(store)
    before = store.jobs.get(claimed.job.id).lease_until_ms
    with held(store, claimed, clock):
        eventually(lambda: store.jobs.get(claimed.job.id).lease_until_ms > before, "the lease is renewed")


def test_an_attempt_that_lost_the_job_has_to_stop(store: Store, clock: Clock) -> None:
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


def test_who_shows_no_sign_of_life_is_no_longer_renewed_and_stops_if_it_wakes(store: Store, clock: Clock) -> None:
    claimed = claim(store)
    with held(store, claimed, clock, stall_s=5) as lease:
        clock.now += 6
        eventually(lambda: not lease.beating, "the heartbeat has stopped")
        clock.now += TTL_S
        with pytest.raises(LeaseLost):
            lease.check()


class Waited(Exception):
    """The computing had to wait for the lease."""


def unattended(store: Store, claimed: Claim, clock: Clock, *, stall_s: float = 60) -> Lease:
    """Return a lease that is renewed only by calls of `_beat`."""
    return Lease(store.jobs, claimed, ttl_s=TTL_S, stall_s=stall_s, lease_renewer=LeaseRenewer(), clock=clock)


@pytest.mark.parametrize(
    ("renewed", "after", "waits"), [(False, 0.79, False), (False, 0.81, True), (True, 0.59, False), (True, 0.61, True)]
)
def test_a_step_begins_only_while_a_fifth_of_the_lease_is_left_for_certain(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, renewed: bool, after: float, waits: bool
) -> None:
    """A renewal that the store doesn't write leaves four fifths of the lease."""
    lease = unattended(store, claim(store), clock)
    monkeypatch.setattr(lease._changed, "wait", lambda _: (_ for _ in ()).throw(Waited))
    if renewed:
        assert lease._beat()
    clock.now += after * TTL_S
    with pytest.raises(Waited) if waits else nullcontext():
        lease.check()


def test_waiting_for_redis_is_no_stall(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    lease, waits = unattended(store, claim(store), clock, stall_s=5), 0

    def wait(_: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 1:
            clock.now += 2 * 5  # Redis was away
        else:
            assert lease._beat(), "it is renewed again"

    monkeypatch.setattr(lease._changed, "wait", wait)
    clock.now += TTL_S
    assert lease.check() is None
    assert waits == 2


def test_a_record_that_is_gone_may_be_restored_for_the_life_of_a_lease(
    store: Store, client: "redis.Redis", clock: Clock
) -> None:
    job = make_job(JobType.TRAIN)
    store.jobs.create(job)
    claimed = store.jobs.claim(job.id, worker="w1", lease_s=TTL_S)
    assert claimed is not None
    lease = unattended(store, claimed, clock)
    # When Redis is emptied twice, its records restored in between
    client.flushall()
    assert lease._beat()
    clock.now += TTL_S - 1
    store.jobs.restore(job, status=Status.RUNNING, token=claimed.token, lease_s=TTL_S)
    assert lease._beat()
    client.flushall()
    for seconds in (0, TTL_S - 1):
        clock.now += seconds
        assert lease._beat(), "each time counts by itself"
    # Then a record that stays away ends the attempt
    clock.now += 2
    assert not lease._beat()
    with pytest.raises(LeaseLost):
        lease.check()


def test_a_requested_cancel_is_never_taken_back(store: Store, clock: Clock) -> None:
    lease = unattended(store, claim(store), clock)
    lease.saw_cancel(True)
    lease.saw_cancel(False)
    assert lease._beat()
    assert lease.check() is StopRequest.CANCEL
