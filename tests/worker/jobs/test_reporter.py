"""What a job reports is recorded in its rhythm, and kept while Redis is away."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import redis

from shared.errors import LeaseLost, StoreUnavailable
from shared.jobs.events import EventType
from shared.jobs.record import Losses, Progress, Status
from shared.store import Claim, JobStore, Store, connect, keys
from tests.jobs import make_job
from tests.worker.clock import Clock
from worker.jobs.reporter import AWAY_S, RECORD_S, Reporter


@pytest.fixture
def claim(store: Store) -> Claim:
    job = make_job()
    store.jobs.create(job)
    claimed = store.jobs.claim(job.id, worker="w1", lease_s=10)
    assert claimed is not None
    return claimed


def reporter_of(
    jobs: JobStore, claim: Claim, clock: Clock, seen: list[bool] | None = None, first_s: float = 0
) -> Reporter:
    return Reporter(jobs, claim, saw_cancel=(seen if seen is not None else []).append, first_s=first_s, clock=clock)


def events_of(store: Store, claim: Claim, kind: EventType) -> list[object]:
    return [event.data for event in store.events.read(claim.job.id).events if event.type is kind]


def test_progress_is_recorded_at_most_ten_times_a_second_and_the_newest_counts(
    store: Store, claim: Claim, clock: Clock
) -> None:
    reporter = reporter_of(store.jobs, claim, clock)
    for step in range(1000):
        clock.now += 0.002
        reporter.progress(Progress(step=step))
        reporter.flush()
    steps = [data["progress"]["step"] for data in events_of(store, claim, EventType.PROGRESS)]  # type: ignore[index]
    assert 2 / RECORD_S * 0.9 <= len(steps) <= 2 / RECORD_S + 1
    reporter.flush(now=True)
    assert store.jobs.get(claim.job.id).progress.step == 999


def test_nothing_to_report_is_not_recorded(store: Store, claim: Claim, clock: Clock) -> None:
    before = store.jobs.get(claim.job.id).revision
    reporter_of(store.jobs, claim, clock).flush(now=True)
    assert store.jobs.get(claim.job.id).revision == before


def test_a_requested_cancel_comes_back_with_what_is_recorded(store: Store, claim: Claim, clock: Clock) -> None:
    seen: list[bool] = []
    reporter = reporter_of(store.jobs, claim, clock, seen)
    store.jobs.cancel(claim.job.id)
    reporter.log("a line")
    reporter.flush()
    assert seen == [True]


def test_what_is_reported_while_redis_is_away_is_recorded_later_in_order(
    store: Store, claim: Claim, clock: Clock
) -> None:
    # Given a reporter whose Redis doesn't answer
    away = Store(connect("redis://127.0.0.1:1/0", timeout_s=0.2))
    reporter = reporter_of(away.jobs, claim, clock)
    for number in range(3):
        reporter.log(f"line {number}")
        clock.now += 1
        reporter.flush()
    with pytest.raises(StoreUnavailable):
        reporter.flush(now=True)
    away.close()
    # When it is back, then all is reported, in order
    reporter._jobs = store.jobs
    clock.now += 1
    reporter.flush()
    assert events_of(store, claim, EventType.LOG) == [{"message": f"line {number}"} for number in range(3)]


def test_a_first_record_can_wait_for_the_end_which_records_all_in_one_step(
    store: Store, claim: Claim, clock: Clock
) -> None:
    reporter = reporter_of(store.jobs, claim, clock, first_s=0.05)
    begun = store.jobs.get(claim.job.id).revision
    reporter.log("a line")
    reporter.progress(Progress(step=3, fraction=1.0))
    reporter.flush()
    assert store.jobs.get(claim.job.id).revision == begun
    reporter.finish(Status.SUCCEEDED, result={"text": "so"})
    job = store.jobs.get(claim.job.id)
    assert (job.status, job.progress.step, job.result) == (Status.SUCCEEDED, 3, {"text": "so"})
    kinds = [event.type for event in store.events.read(claim.job.id).events]
    assert kinds[-4:] == [EventType.LOG, EventType.PROGRESS, EventType.STATUS, EventType.DONE]


def test_the_end_of_another_attempt_s_job_records_nothing(store: Store, claim: Claim, clock: Clock) -> None:
    reporter = reporter_of(store.jobs, claim, clock)
    store.jobs.release(claim.job.id, claim.token)
    reporter.log("a line")
    with pytest.raises(LeaseLost):
        reporter.finish(Status.SUCCEEDED)
    assert events_of(store, claim, EventType.LOG) == []


def test_a_complete_job_says_so(store: Store, claim: Claim, clock: Clock) -> None:
    reporter = reporter_of(store.jobs, claim, clock)
    reporter.progress(Progress(step=97, total_steps=101, fraction=0.98, eta_seconds=0.1))
    reporter.complete(step=100)
    reporter.flush(now=True)
    progress = store.jobs.get(claim.job.id).progress
    assert (progress.step, progress.total_steps, progress.fraction, progress.eta_seconds) == (100, 100, 1.0, 0.0)


def test_a_stopped_job_shows_the_step_whose_state_is_saved(store: Store, claim: Claim, clock: Clock) -> None:
    reporter = reporter_of(store.jobs, claim, clock)
    reporter.progress(Progress(step=97, total_steps=101, fraction=0.96, eta_seconds=0.1))
    reporter.stopped(step=99)
    reporter.flush(now=True)
    progress = store.jobs.get(claim.job.id).progress
    assert (progress.step, progress.total_steps, progress.fraction, progress.eta_seconds) == (99, 101, 0.96, None)
    # A further attempt that is stopped before its first progress keeps what the one before it reported.
    store.jobs.release(claim.job.id, claim.token)
    again = store.jobs.claim(claim.job.id, worker="worker@loom-1", lease_s=60)
    assert again is not None
    reporter = reporter_of(store.jobs, again, clock)
    reporter.stopped(step=100)
    reporter.flush(now=True)
    assert store.jobs.get(claim.job.id).progress == replace(progress, step=100)


def test_losses_stay_until_newer_ones_come(store: Store, claim: Claim, clock: Clock) -> None:
    reporter = reporter_of(store.jobs, claim, clock)
    reporter.progress(Progress(step=1), Losses(train_loss=2.5))
    reporter.progress(Progress(step=2))
    reporter.flush(now=True)
    job = store.jobs.get(claim.job.id)
    assert (job.progress.step, job.metrics.train_loss) == (2, 2.5)
    assert events_of(store, claim, EventType.PROGRESS)[-1]["metrics"]["train_loss"] == 2.5  # type: ignore[index]


def test_redis_is_left_alone_for_a_while_after_it_failed(claim: Claim, clock: Clock, store: Store) -> None:
    reporter, tries = reporter_of(store.jobs, claim, clock), 0

    def record(*_: object, **__: object) -> bool:
        nonlocal tries
        tries += 1
        raise StoreUnavailable

    reporter._jobs = SimpleNamespace(record=record)  # type: ignore[assignment]
    reporter.log("a line")
    for _ in range(10):
        reporter.flush()
        clock.now += AWAY_S / 11
    assert tries == 1
    clock.now += AWAY_S
    reporter.flush()
    assert tries == 2


def test_a_saved_state_is_recorded_at_once_or_as_soon_as_redis_is_back(
    store: Store, client: "redis.Redis", claim: Claim, clock: Clock
) -> None:
    reporter = reporter_of(store.jobs, claim, clock)
    reporter.log("a line")
    reporter.flush()
    reporter.saved(5.0)
    assert client.hget(keys.job(claim.job.id), "saved_work") == "5.0"
    away = Store(connect("redis://127.0.0.1:1/0", timeout_s=0.2))
    reporter._jobs = away.jobs
    reporter.saved(9.5)
    away.close()
    reporter._jobs = store.jobs
    clock.now += 1
    reporter.flush()
    assert client.hget(keys.job(claim.job.id), "saved_work") == "9.5"
