"""Whose turn it is: places in the queue, callers, priorities, and messages that serve another job."""

from dataclasses import replace

import redis

from shared.jobs.record import JobType, Queue
from shared.store import Store, keys
from tests.jobs import make_job
from tests.shared.store.claims import LEASE_S, age_message, claimed


def send(store: Store, caller: str, cost: float = 60, *, priority: str = "normal") -> str:
    """Create a job of this caller that costs so many seconds; return its id."""
    job = replace(make_job(params={"corpus_id": "cor_x", "priority": priority}), cost_seconds=cost)
    store.jobs.create(job, caller=caller)
    return job.id


def take(store: Store, message: str) -> str | None:
    """Claim the next job for this message; return its id."""
    claim = store.jobs.claim_next(message, worker="w1", owner_id="w1", lease_s=LEASE_S, min_token=lambda _: 0)
    return None if claim is None else claim.job.id


def test_places_in_the_queue_move_up(store: Store) -> None:
    jobs = [make_job() for _ in range(3)]
    other = make_job(JobType.GENERATE)
    for job in [*jobs, other]:
        store.jobs.create(job)
    assert [store.jobs.get(job.id).queue_position for job in [*jobs, other]] == [1, 2, 3, 1]
    claimed(store, jobs[0])
    store.jobs.cancel(jobs[1].id)
    assert [store.jobs.get(job.id).queue_position for job in jobs] == [None, None, 1]
    assert store.jobs.queue_depths() == {Queue.TRAIN: 1, Queue.GENERATE: 1}


def test_callers_take_turns_by_what_their_jobs_cost(store: Store) -> None:
    def send_all(caller: str, *costs: float) -> list[str]:
        sent = [send(store, caller, cost) for cost in costs]
        for job_id in sent:
            store.jobs.sent(job_id)
        return sent

    first, *rest = many = send_all("ann", *[60] * 5)
    assert take(store, first) == first
    one, two = send_all("bob", 60, 60)
    [quick] = send_all("eve", 1)
    # The messages come in the order in which they were sent; the jobs in that of their callers' turns.
    messages = [*rest, one, two, quick]
    assert [take(store, message) for message in messages] == [quick, rest[0], one, rest[1], two, rest[2], rest[3]]
    assert [take(store, message) for message in many] == [None] * len(many)
    assert not store.jobs.due(stayed_empty=lambda _: False), "no message is missing"


def test_priorities_order_a_callers_own_jobs_and_weigh_among_callers(store: Store) -> None:
    low, first, second = send(store, "ann", 1, priority="low"), send(store, "ann"), send(store, "ann")
    late, urgent = send(store, "ann", 1, priority="low"), send(store, "ann", priority="high")
    bobs, bulk = send(store, "bob"), [send(store, "eve", priority="low") for _ in range(3)]
    order = []
    while taken := take(store, second):
        order.append(taken)
    # A low one that was alone costs 4; the second one comes after all normal ones of its caller, though it is short.
    assert order == [low, urgent, *sorted((first, bobs)), second, late, *bulk]


def test_short_jobs_come_first_but_put_off_a_long_one_by_no_more_than_it_costs(store: Store) -> None:
    long, before = send(store, "ann", 20), 0
    while take(store, send(store, "bob", 1)) != long:
        before += 1
    assert before in (19, 20), "however many bob sends"


def test_a_drained_job_goes_first_and_the_message_of_a_cancelled_one_serves_another(store: Store) -> None:
    drained, waiting, cancelled = (make_job() for _ in range(3))
    for job in (drained, waiting, cancelled):
        store.jobs.create(job, caller="ann")
        store.jobs.sent(job.id)
    claim = store.jobs.claim(drained.id, worker="w1", lease_s=LEASE_S)
    assert claim is not None
    store.jobs.release(drained.id, claim.token)
    assert store.jobs.get(drained.id).queue_position == 1
    store.jobs.cancel(cancelled.id)

    assert take(store, cancelled.id) == drained.id
    # Its process dies, of which no more is known than the message that it had.
    store.jobs.lose(cancelled.id, owner_id="w1")
    assert [(reaped.job_id, reaped.outcome) for reaped in store.jobs.reap(lease_s=LEASE_S)] == [
        (drained.id, "requeued")
    ]
    assert [take(store, cancelled.id) for _ in range(3)] == [drained.id, waiting.id, None]


def test_a_worker_leaves_a_job_that_it_can_t_run_to_others_and_takes_the_next(store: Store) -> None:
    newer, plain = make_job(), make_job()
    for job in (newer, plain):
        store.jobs.create(job)
        store.jobs.sent(job.id)

    def take_known(message: str, *, knows_newer: bool) -> str | None:
        claim = store.jobs.claim_next(
            message,
            worker="w1",
            owner_id="w1",
            lease_s=LEASE_S,
            min_token=lambda job_id: None if job_id == newer.id and not knows_newer else 0,
        )
        return None if claim is None else claim.job.id

    assert take_known(newer.id, knows_newer=False) == plain.id
    assert take_known(plain.id, knows_newer=False) is None
    assert store.jobs.get(newer.id).queue_position == 1
    assert take_known(plain.id, knows_newer=True) == newer.id


def test_a_caller_with_nothing_waiting_starts_again(store: Store) -> None:
    dear = send(store, "ann", 600)
    assert take(store, dear) == dear
    first, cancelled = send(store, "bob", 60), send(store, "ann", 600)
    store.jobs.cancel(cancelled)
    again = send(store, "ann", 50)
    assert take(store, first) == again, "neither the one that ran nor the cancelled one counts"


def test_nobody_saves_up_turns_while_others_run(store: Store) -> None:
    send(store, "ann", 1_000, priority="low")
    early, others = send(store, "ann", 1), [send(store, "bob", 60) for _ in range(5)]
    assert [take(store, early) for _ in range(6)] == [early, *others]
    eves, late = send(store, "eve", 60), send(store, "ann", 100)
    assert [take(store, late) for _ in range(2)] == [eves, late], "what bob's jobs cost isn't hers to spend"


def test_an_empty_queue_forgets_whose_turn_it_was(store: Store, client: "redis.Redis") -> None:
    dear, second = send(store, "ann", 10_000_000), send(store, "ann", 10_000_000)
    assert (take(store, dear), take(store, second)) == (dear, second)
    before = client.get(keys.LAYOUT["clock"] + Queue.TRAIN)
    send(store, "bob", 1)
    assert int(client.get(keys.LAYOUT["clock"] + Queue.TRAIN) or 0) < int(before or 0), (
        "it goes by the time of day again"
    )


def test_two_jobs_exchange_their_messages(store: Store, client: "redis.Redis") -> None:
    # Given three jobs whose turns come in the other order than their messages, the first of which was lost
    lost, named, first = (send(store, caller, cost) for caller, cost in (("ann", 100), ("bob", 50), ("eve", 1)))
    for job_id, age_ms in ((lost, 30_000), (named, 20_000), (first, 0)):
        store.jobs.sent(job_id)
        age_message(client, job_id, age_ms)
    # When the second one's message comes
    assert take(store, named) == first
    # Then it shows that the one before it was lost, and the message of the job that it started serves the other one
    assert list(store.jobs.due(stayed_empty=lambda _: False)) == [(lost, Queue.TRAIN)]
    assert take(store, first) == named


def test_a_job_whose_message_is_not_sent_yet_gives_that_to_the_one_whose_message_it_takes(
    store: Store, client: "redis.Redis"
) -> None:
    named, first = send(store, "bob", 50), send(store, "eve", 1)
    store.jobs.sent(named)
    assert take(store, named) == first
    assert client.hget(keys.job(named), "sent") == ""
    client.zadd(keys.OUTBOX, {named: 0}, xx=True)
    assert list(store.jobs.due(stayed_empty=lambda _: False)) == [(named, Queue.TRAIN)], "it needs another one"


def test_no_job_of_a_newer_version_is_claimed(store: Store, client: "redis.Redis") -> None:
    newer, plain = send(store, "ann"), send(store, "ann")
    client.hset(keys.job(newer), "version", 1_000)
    assert store.jobs.claim(newer, worker="w1", lease_s=LEASE_S) is None
    assert take(store, newer) is None, "its turn has come, and other workers may know it"
    assert store.jobs.claim(plain, worker="w1", lease_s=LEASE_S) is not None
