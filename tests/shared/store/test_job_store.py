"""The state machine on a real server: every pair of states, stale tokens, duplicates, lists.

Longer than most: what one record can meet, a case each, in the order of `shared/store/job_store.py`.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import product

import pytest
import redis

from shared.errors import Conflict, LeaseLost, NotFound, StoreUnavailable
from shared.jobs.events import Event, EventType
from shared.jobs.record import TRANSITIONS, JobError, JobType, Losses, NewJob, Progress, Status
from shared.store import CancelOutcome, Store, WorkerInfo, connect, keys
from tests.jobs import make_job
from tests.shared.store.claims import LEASE_S, claimed, expire


def bring_to(store: Store, job: NewJob, status: Status) -> int:
    """Create the job and bring it to a stored status by legal moves; return its token."""
    store.jobs.create(job)
    if status is Status.QUEUED:
        return 0
    token = claimed(store, job).token
    if status is not Status.RUNNING:
        store.jobs.finish(job.id, token, status)
    return token


#: What would bring about a move to this status, as the owner of the newest token.
MOVES: dict[Status, Callable[[Store, str, int], object]] = {
    Status.RUNNING: lambda store, job_id, _: store.jobs.claim(job_id, worker="w2", lease_s=LEASE_S),
    Status.QUEUED: lambda store, job_id, token: store.jobs.release(job_id, token),
    Status.SUCCEEDED: lambda store, job_id, token: store.jobs.finish(job_id, token, Status.SUCCEEDED),
    Status.FAILED: lambda store, job_id, token: store.jobs.finish(job_id, token, Status.FAILED),
    Status.CANCELLED: lambda store, job_id, _: store.jobs.cancel(job_id),
}


@pytest.mark.parametrize(("before", "after"), list(product(TRANSITIONS, TRANSITIONS)))
def test_every_pair_of_states_moves_only_as_the_table_says(store: Store, before: Status, after: Status) -> None:
    job = make_job()
    token = bring_to(store, job, before)
    with suppress(LeaseLost, Conflict):
        MOVES[after](store, job.id, token)
    now = store.jobs.get(job.id).status
    if after in TRANSITIONS[before]:
        # Cancelling a running job only requests it.
        requested = before is Status.RUNNING and after is Status.CANCELLED
        assert now is (Status.RUNNING if requested else after)
    else:
        assert now is before


def test_a_new_job_is_queued_with_what_was_asked(store: Store) -> None:
    job = make_job(metadata={"who": "me"}, params={"epochs": 3, "name": "é"})
    record = store.jobs.create(job)
    assert (record.status, record.params, record.metadata) == (Status.QUEUED, job.params, job.metadata)
    assert (record.attempt, record.progress.step, record.queue_position, record.worker) == (0, 0, 1, None)
    assert record == store.jobs.get(job.id) == store.jobs.create(job), "a repeat finds the same"


def test_a_claim_returns_the_current_record(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    assert claimed(store, job).job == store.jobs.get(job.id)


def test_a_second_message_claims_nothing(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    claimed(store, job)
    assert store.jobs.claim(job.id, worker="w2", lease_s=LEASE_S) is None
    assert store.jobs.get(job.id).worker == "w1"


def test_each_claim_takes_a_higher_token_above_the_floor(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    first = store.jobs.claim(job.id, worker="w1", lease_s=LEASE_S, min_token=41)
    assert first is not None
    assert first.token == 42
    store.jobs.release(job.id, 42)
    assert claimed(store, job).token == 43
    assert store.jobs.get(job.id).attempt == 2


@pytest.mark.parametrize("call", ["renew", "record", "rewind", "seal", "finish", "release"])
def test_a_stale_token_is_refused_everything(store: Store, call: str) -> None:
    # Given a job that was taken from its first owner
    job = make_job()
    store.jobs.create(job)
    stale = claimed(store, job).token
    store.jobs.release(job.id, stale)
    fresh = claimed(store, job).token
    # When the first owner wakes and acts
    acts: dict[str, Callable[[], object]] = {
        "renew": lambda: store.jobs.renew(job.id, stale, lease_s=LEASE_S),
        "record": lambda: store.jobs.record(job.id, stale, progress=Progress(step=9)),
        "rewind": lambda: store.jobs.rewind(job.id, stale, metrics=[{"step": 1}]),
        "seal": lambda: store.jobs.seal(job.id, stale, "ab"),
        "finish": lambda: store.jobs.finish(job.id, stale, Status.SUCCEEDED),
        "release": lambda: store.jobs.release(job.id, stale),
    }
    before = store.jobs.get(job.id)
    with pytest.raises(LeaseLost):
        acts[call]()
    # Then nothing of the record has changed, and the second owner goes on
    assert store.jobs.get(job.id) == before
    assert store.jobs.renew(job.id, fresh, lease_s=LEASE_S) is False


def test_what_is_recorded_is_read_back(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    token = claimed(store, job).token
    metric = {"step": 5, "train_loss": 2.5}
    store.jobs.record(
        job.id,
        token,
        progress=Progress(step=5, fraction=0.5),
        losses=Losses(train_loss=2.5),
        events=[Event(type=EventType.METRIC, data=metric), Event(type=EventType.TEXT, data={"delta": "é🙂\n"})],
    )
    record = store.jobs.get(job.id)
    assert (record.progress.step, record.metrics.train_loss) == (5, 2.5)
    assert list(store.jobs.metrics(job.id)) == [metric]
    events = store.events.read(job.id).events
    assert [event.type for event in events] == [EventType.STATUS, EventType.STATUS, EventType.METRIC, EventType.TEXT]
    assert events[-1].data == {"delta": "é🙂\n"}


def test_a_resumed_attempt_sets_losses_and_samples_back(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    token = claimed(store, job).token
    store.jobs.record(job.id, token, events=[Event(type=EventType.METRIC, data={"step": n}) for n in range(5)])
    store.jobs.record(job.id, token, events=[Event(type=EventType.SAMPLE, data={"text": str(n)}) for n in range(3)])
    assert [sample["text"] for sample in store.jobs.samples(job.id)] == ["0", "1", "2"]
    store.jobs.rewind(job.id, token, metrics=[{"step": 0}, {"step": 1}], samples=[{"text": "0"}])
    assert [metric["step"] for metric in store.jobs.metrics(job.id)] == [0, 1]
    assert list(store.jobs.samples(job.id)) == [{"text": "0"}]


def test_cancelling_a_running_job_is_a_request_that_its_owner_sees(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    token = claimed(store, job).token
    assert store.jobs.cancel(job.id) is CancelOutcome.CANCELLING
    assert store.jobs.get(job.id).shown_status is Status.CANCELLING
    assert store.jobs.cancel(job.id) is CancelOutcome.ALREADY
    assert store.jobs.renew(job.id, token, lease_s=LEASE_S) is True
    assert store.jobs.record(job.id, token) is True
    assert store.jobs.seal(job.id, token, "ab") is False
    # A drain of a job that is to be cancelled cancels it
    assert store.jobs.release(job.id, token) is Status.CANCELLED


def test_a_sealed_job_can_only_succeed(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    token = claimed(store, job).token
    assert store.jobs.seal(job.id, token, "ab") is True
    with pytest.raises(Conflict):
        store.jobs.cancel(job.id)
    with pytest.raises(Conflict):
        store.jobs.release(job.id, token)
    with pytest.raises(Conflict):
        store.jobs.finish(job.id, token, Status.FAILED)
    store.jobs.finish(job.id, token, Status.SUCCEEDED, result={"model_id": job.model_id})
    assert store.jobs.get(job.id).result == {"model_id": job.model_id}


def test_a_silent_worker_s_job_is_queued_again_then_failed_with_the_reason(store: Store) -> None:
    job = make_job(max_attempts=2)
    store.jobs.create(job)
    claimed(store, job)
    assert not store.jobs.reap(lease_s=LEASE_S), "its lease holds"
    expire(store, job)
    assert [(r.job_id, r.outcome) for r in store.jobs.reap(lease_s=LEASE_S)] == [(job.id, "requeued")]
    assert store.jobs.get(job.id).lost_attempts == 1
    claimed(store, job)
    expire(store, job)
    assert [r.outcome for r in store.jobs.reap(lease_s=LEASE_S)] == ["failed"]
    error = store.jobs.get(job.id).error
    assert error is not None
    assert (error.code, error.retryable) == ("worker_lost", True)
    assert "2 times" in error.detail


def test_reaping_ends_a_requested_cancel_and_leaves_a_sealed_job_to_be_completed(store: Store) -> None:
    cancelling, sealed = make_job(), make_job()
    for job in (cancelling, sealed):
        store.jobs.create(job)
    claimed(store, cancelling)
    store.jobs.cancel(cancelling.id)
    store.jobs.seal(sealed.id, claimed(store, sealed).token, "ab")
    for job in (cancelling, sealed):
        expire(store, job)
    assert {r.job_id: r.outcome for r in store.jobs.reap(lease_s=LEASE_S)} == {
        cancelling.id: "cancelled",
        sealed.id: "sealed",
    }
    assert not store.jobs.reap(lease_s=LEASE_S), "whoever completes the sealed one has time for it"
    assert store.jobs.get(sealed.id).status is Status.RUNNING


@pytest.mark.parametrize(
    ("saved", "outcomes"),
    [
        # What each attempt's newest state holds before its worker is lost; None: it saves none.
        ([None, None, None], ["requeued", "requeued", "failed"]),
        ([10.5, 20.0, 30.0, 30.5, 31.0, 32.0], ["requeued"] * 6),
        ([None, None, 10.0, None, None], ["requeued"] * 4 + ["failed"]),
        # Always killed at the same place, the last state before it read again each time, or a damaged one passed over.
        ([10.0, 10.0, 10.0], ["requeued", "requeued", "failed"]),
        ([10.0, 5.0, 9.5], ["requeued", "requeued", "failed"]),
    ],
)
def test_only_losses_in_a_row_without_a_newer_saved_state_count(
    store: Store, saved: list[float | None], outcomes: list[str]
) -> None:
    job = make_job(max_attempts=3)
    store.jobs.create(job)
    found = []
    for work in saved:
        token = claimed(store, job).token
        store.jobs.record(job.id, token, saved_work=work)
        store.jobs.record(job.id, token, progress=Progress(step=1))
        expire(store, job)
        found += [reaped.outcome for reaped in store.jobs.reap(lease_s=LEASE_S)]
    assert found == outcomes


def test_a_record_of_an_older_version_takes_a_saved_state(store: Store, client: "redis.Redis") -> None:
    job = make_job(max_attempts=2)
    store.jobs.create(job)
    client.hdel(keys.job(job.id), "saved_work")
    for _ in range(2):
        expire(store, job)
        store.jobs.reap(lease_s=LEASE_S)
        store.jobs.record(job.id, claimed(store, job).token, saved_work=1.0)
    assert store.jobs.get(job.id).lost_attempts == 1


def test_a_restored_job_whose_worker_is_gone_has_lost_no_attempt(store: Store, client: "redis.Redis") -> None:
    job, waiting = make_job(max_attempts=1), make_job()
    store.jobs.create(waiting)
    store.jobs.restore(job, status=Status.RUNNING, token=3, lease_s=LEASE_S)
    assert store.jobs.get(job.id).started_ms is not None
    assert not store.jobs.reap(lease_s=LEASE_S), "its worker may still be there"
    client.zadd(keys.RUNNING, {job.id: 0})
    assert [reaped.outcome for reaped in store.jobs.reap(lease_s=LEASE_S)] == ["requeued"]
    queued = store.jobs.get(job.id)
    assert (queued.lost_attempts, queued.queue_position) == (0, 1), "it has had its turn before"
    assert claimed(store, job).token == 4


def test_drains_are_no_losses(store: Store) -> None:
    job = make_job(max_attempts=1)
    store.jobs.create(job)
    for _ in range(3):
        store.jobs.release(job.id, claimed(store, job).token)
    assert (store.jobs.get(job.id).lost_attempts, store.jobs.get(job.id).attempt) == (0, 3)


def test_another_worker_s_dead_child_is_not_ours(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    claimed(store, job)
    store.jobs.lose(job.id, owner_id="w2")
    assert not store.jobs.reap(lease_s=LEASE_S)


def test_an_end_of_long_ago_that_is_put_back_calls_no_webhook_again(store: Store) -> None:
    hook = {"url": "https://example.com/", "events": ["job.succeeded"]}
    now, hour_ms = int(time.time() * 1000), 3_600_000
    recent, old = (make_job(params={"webhook": hook}) for _ in range(2))
    for job, finished_ms in ((recent, now - hour_ms), (old, now - 25 * hour_ms)):
        assert store.jobs.restore(job, status=Status.SUCCEEDED, result={}, finished_ms=finished_ms)
        assert store.jobs.get(job.id).finished_ms == finished_ms
    message = store.webhooks.take()
    assert message is not None
    assert message.job_id == recent.id
    assert store.webhooks.take() is None


def test_a_longer_lease_of_another_host_is_not_cut(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    store.jobs.claim(job.id, worker="patient", lease_s=300)
    before = store.jobs.get(job.id).lease_until_ms
    assert not store.jobs.reap(lease_s=LEASE_S)
    assert store.jobs.get(job.id).lease_until_ms == before


def test_two_workers_of_one_name_learn_of_each_other_and_lose_no_job_of_the_other_s(store: Store) -> None:
    one, two = (
        WorkerInfo(
            name="w1", host="h", cores=2, threads=1, bfloat16=False, memory_bytes=1, versions={}, owner_id=owner_id
        )
        for owner_id in ("one", "two")
    )
    assert store.workers.report(one) == (None, False)
    before, _ = store.workers.report(two)
    assert before is not None
    assert before.owner_id == "one"
    job = make_job()
    store.jobs.create(job)
    store.jobs.claim(job.id, worker="w1", owner_id="one", lease_s=LEASE_S)
    store.jobs.lose(job.id, owner_id="two")
    assert not store.jobs.reap(lease_s=LEASE_S)
    store.jobs.lose(job.id, owner_id="one")
    assert [reaped.outcome for reaped in store.jobs.reap(lease_s=LEASE_S)] == ["requeued"]


def test_lists_filter_by_type_shown_status_and_model_and_page_both_ways(store: Store) -> None:
    trains = [make_job() for _ in range(5)]
    writes = [make_job(JobType.GENERATE, model_id="mod_a") for _ in range(2)]
    for job in [*trains, *writes]:
        store.jobs.create(job)
    claimed(store, trains[0])
    store.jobs.cancel(trains[0].id)
    ids = [job.id for job in trains]

    def listed(**options: object) -> list[str]:
        return [job.id for job in store.jobs.page(**options).jobs]  # type: ignore[arg-type]

    assert listed(types=[JobType.TRAIN]) == ids[::-1]
    assert listed(types=[JobType.TRAIN], newest_first=False, limit=2) == ids[:2]
    assert listed(types=[JobType.TRAIN], newest_first=False, limit=2, after=ids[1]) == ids[2:4]
    assert listed(types=[JobType.TRAIN], after=ids[2]) == ids[1::-1]
    assert listed(statuses=[Status.CANCELLING]) == ids[:1]
    assert listed(statuses=[Status.RUNNING]) == []
    assert listed(model_id="mod_a") == [job.id for job in writes][::-1]
    assert store.jobs.page(limit=7).has_more is False
    assert store.jobs.page(limit=6).has_more is True


def test_what_a_live_job_uses_can_t_be_retired_and_what_is_retired_can_t_be_used(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    with pytest.raises(Conflict, match=job.id):
        store.jobs.retire("cor_x")
    store.jobs.cancel(job.id)
    store.jobs.retire("cor_x")
    with pytest.raises(Conflict, match="cor_x"):
        store.jobs.create(make_job())


def test_jobs_that_nobody_submitted_keep_no_text_unless_they_are_nearly_done(store: Store) -> None:
    queued, running, sealed = (make_job(JobType.EXAMINE, uses=(corpus,)) for corpus in ("cor_x", "cor_x", "cor_y"))
    for job in (queued, running, sealed):
        store.jobs.create(job)
    claimed(store, running)
    store.jobs.cancel(running.id)
    assert store.jobs.retire("cor_x") == [queued.id], "the other one is being cancelled already"
    assert store.jobs.get(queued.id).status is Status.CANCELLED
    store.jobs.seal(sealed.id, claimed(store, sealed).token, "ab")
    with pytest.raises(Conflict, match=sealed.id):
        store.jobs.retire("cor_y")


def test_old_jobs_are_forgotten_whole(store: Store, client: "redis.Redis") -> None:
    live, ended = make_job(), make_job()
    store.jobs.create(live)
    token = bring_to(store, ended, Status.RUNNING)
    store.jobs.record(ended.id, token, events=[Event(type=EventType.METRIC, data={"step": 1})])
    store.jobs.finish(ended.id, token, Status.FAILED, error=JobError(code="x", detail="y"))
    assert list(store.jobs.purge(age_s=60)) == []
    assert list(store.jobs.purge(age_s=-1)) == [ended.id]
    with pytest.raises(NotFound):
        store.jobs.get(ended.id)
    assert not [key for key in client.scan_iter() if ended.id in key]
    assert [job.id for job in store.jobs.page().jobs] == [live.id]


def test_the_end_is_published_with_result_and_error(store: Store) -> None:
    job = make_job()
    token = bring_to(store, job, Status.RUNNING)
    store.jobs.finish(job.id, token, Status.SUCCEEDED, result={"outputs": [], "prompt": 'a "b"\\'})
    last = store.events.read(job.id).events[-1]
    assert last.type is EventType.DONE
    assert last.data == {"status": "succeeded", "result": {"outputs": [], "prompt": 'a "b"\\'}, "error": None}


def test_reading_past_what_was_trimmed_says_so(client: "redis.Redis") -> None:
    store = Store(client, events_cap=100)
    job = make_job()
    token = bring_to(store, job, Status.RUNNING)
    first = store.events.read(job.id).events[0].id
    for n in range(40):
        store.jobs.record(
            job.id, token, events=[Event(type=EventType.LOG, data={"message": str(n * 10 + k)}) for k in range(10)]
        )
    page = store.events.read(job.id, after=first, limit=5)
    assert page.trimmed
    assert page.has_more
    assert not store.events.read(job.id, after=page.events[-1].id).trimmed


def test_a_store_that_isn_t_there_is_said_in_words() -> None:
    store = Store(connect("redis://127.0.0.1:1/0", timeout_s=0.2))
    for act in (
        store.ping,
        store.jobs.queue_depths,
        lambda: store.jobs.create(make_job()),
        lambda: store.jobs.find("job_x"),
    ):
        with pytest.raises(StoreUnavailable):
            act()
    store.close()


def test_what_a_newer_version_added_to_a_record_is_passed_over(store: Store, client: "redis.Redis") -> None:
    job = make_job()
    store.jobs.create(job)
    client.hset(keys.job(job.id), mapping={"progress": '{"step": 3, "mood": "good"}', "colour": "blue"})
    assert store.jobs.get(job.id).progress == Progress(step=3)
    reported = WorkerInfo(name="w1", host="h", cores=2, threads=1, bfloat16=True, memory_bytes=1, versions={})
    store.workers.report(reported)
    newer = json.loads(str(client.get(keys.worker("w1")))) | {"mood": "good"}
    client.set(keys.worker("w1"), json.dumps(newer))
    assert [info.name for info in store.workers.seen()] == ["w1"]


def test_a_server_that_takes_no_writes_is_not_ready(store: Store, client: "redis.Redis") -> None:
    store.ping()
    client.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(StoreUnavailable, match="replicas"):
            store.ping()
    finally:
        client.config_set("min-replicas-to-write", 0)


def test_a_list_is_of_one_moment(store: Store, redis_url: str) -> None:
    # Given: jobs that go to and fro between the queue and a worker.
    jobs = [make_job() for _ in range(4)]
    for job in jobs:
        store.jobs.create(job)
    ended = threading.Event()

    def move_to_and_fro() -> None:
        other = Store(connect(redis_url))
        while not ended.is_set():
            for job in jobs:
                other.jobs.release(job.id, claimed(other, job).token)
        other.close()

    thread = threading.Thread(target=move_to_and_fro)
    thread.start()
    try:
        for _ in range(300):
            # Then: a list of all holds each of them once, and one of a status those of that status.
            assert [job.id for job in store.jobs.page().jobs] == [job.id for job in reversed(jobs)]
            waiting = store.jobs.page(statuses=[Status.QUEUED]).jobs
            assert {job.status for job in waiting} == {Status.QUEUED}
            assert all(job.queue_position for job in waiting)
            found = store.jobs.get(jobs[0].id)
            assert (found.status is Status.QUEUED) == (found.queue_position is not None)
    finally:
        ended.set()
        thread.join()


def test_a_job_that_ends_while_the_running_ones_are_read_is_not_among_them(store: Store, client: "redis.Redis") -> None:
    ended, running = make_job(), make_job()
    for job in (ended, running):
        store.jobs.create(job)
    store.jobs.finish(ended.id, claimed(store, ended).token, Status.SUCCEEDED)
    claimed(store, running)
    client.zadd(keys.RUNNING, {ended.id: 1})  # as the list was a moment ago
    assert [job.id for job in store.jobs.running_on("w1")] == [running.id]


def test_lists_are_in_the_order_of_bytes_and_go_on_behind_any_id(store: Store) -> None:
    tails = ["0z", "1a", "9", "a", "az", "b0", "s", "z", "t"]
    ids = sorted(f"job_{tail}" for tail in tails)
    for number, job_id in enumerate(ids):
        store.jobs.create(make_job(id=job_id, model_id=f"mod_{number % 2}"))
        if number % 3 == 0:
            store.jobs.cancel(job_id)
    for newest_first, order in ((False, ids), (True, ids[::-1])):
        for place, after in enumerate([None, *order]):
            page = store.jobs.page(after=after, limit=3, newest_first=newest_first)
            assert [job.id for job in page.jobs] == order[place : place + 3]
            assert page.has_more is (len(order) > place + 3)


@pytest.mark.parametrize(
    ("left", "renewed"), [(0.05, True), (0.5, True), (0.75, True), (0.85, False), (0.99, False), (1.5, True)]
)
def test_a_lease_is_renewed_once_a_fifth_of_it_is_gone(
    store: Store, client: "redis.Redis", left: float, renewed: bool
) -> None:
    job = make_job()
    store.jobs.create(job)
    token = claimed(store, job).token
    seconds, _ = client.time()
    before = round((seconds + left * 1000) * 1000)
    client.hset(keys.job(job.id), "lease_until", before)
    store.jobs.renew(job.id, token, lease_s=1000)
    after = store.jobs.get(job.id).lease_until_ms
    assert (after != before) is renewed
    if renewed:
        assert (seconds + 1000) * 1000 <= after <= (seconds + 1010) * 1000
        assert client.zscore(keys.RUNNING, job.id) == after


def test_what_a_job_began_with_stays_over_its_attempts(store: Store) -> None:
    job = make_job()
    store.jobs.create(job)
    first = claimed(store, job)
    time.sleep(0.005)
    store.jobs.release(job.id, first.token)
    second = claimed(store, job)
    assert second.job.started_ms == first.job.started_ms
    assert (second.job.attempt, second.token) == (2, first.token + 1)


def test_only_the_newest_samples_are_kept_and_they_go_with_their_job(store: Store, client: "redis.Redis") -> None:
    job = make_job()
    store.jobs.create(job)
    token = claimed(store, job).token
    store.jobs.record(job.id, token, events=[Event(type=EventType.SAMPLE, data={"step": step}) for step in range(250)])
    assert [sample["step"] for sample in store.jobs.samples(job.id)] == list(range(50, 250))
    store.jobs.finish(job.id, token, Status.SUCCEEDED)
    time.sleep(0.005)
    assert store.jobs.purge(age_s=0) == [job.id]
    assert not list(client.scan_iter(f"*{job.id}*"))


@pytest.mark.parametrize(("leases", "after"), [(0.9, 0.9), (1.5, 1.0), (3600, 1.0)])
def test_a_lease_that_lasts_longer_than_its_whole_begins_again(
    store: Store, client: "redis.Redis", leases: float, after: float
) -> None:
    job = make_job()
    store.jobs.create(job)
    claimed(store, job)
    seconds, _ = client.time()
    until = round((seconds + leases * LEASE_S) * 1000)
    client.hset(keys.job(job.id), "lease_until", until)
    client.zadd(keys.RUNNING, {job.id: until})
    assert not store.jobs.reap(lease_s=LEASE_S)
    found = store.jobs.get(job.id).lease_until_ms
    assert found == client.zscore(keys.RUNNING, job.id)
    assert found == pytest.approx((seconds + after * LEASE_S) * 1000, abs=3000)


def test_a_worker_s_report_clears_away_those_that_are_gone(store: Store, client: "redis.Redis") -> None:
    client.zadd(keys.WORKERS, {"long-gone": 1})
    info = WorkerInfo(name="w1", host="h", cores=1, threads=1, bfloat16=False, memory_bytes=1, versions={})
    store.workers.report(info)
    assert client.zrange(keys.WORKERS, 0, -1) == ["w1"]
