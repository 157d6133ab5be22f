"""Which jobs' messages are sent, and which are sent again because they were lost."""

import redis

from shared.jobs.record import Queue
from shared.store import Store, keys
from tests.jobs import make_job
from tests.shared.store.claims import LEASE_S, age_message, claimed, create_sent, expire


def test_a_message_that_its_creator_didn_t_send_is_due(store: Store, client: "redis.Redis") -> None:
    job = make_job()
    store.jobs.create(job)
    assert not store.jobs.due(stayed_empty=lambda _: False), "its creator has time to send it"
    client.zadd(keys.OUTBOX, {job.id: 0})
    assert list(store.jobs.due(stayed_empty=lambda _: False)) == [(job.id, Queue.TRAIN)]
    assert not store.jobs.due(stayed_empty=lambda _: False), "it is sent once"


def test_no_message_is_due_for_a_job_that_doesn_t_wait(store: Store, client: "redis.Redis") -> None:
    running = make_job()
    store.jobs.create(running)
    claimed(store, running)
    client.zadd(keys.OUTBOX, {running.id: 0, "job_gone": 0})
    assert not store.jobs.due(stayed_empty=lambda _: False)
    assert not client.exists(keys.OUTBOX), "it isn't looked at again"


def test_a_lost_message_is_sent_again_when_its_queue_stays_empty(store: Store, client: "redis.Redis") -> None:
    job = make_job()
    store.jobs.create(job)
    store.jobs.sent(job.id)
    assert not store.jobs.due(stayed_empty=lambda _: True), "it may still be under way"
    age_message(client, job.id, 6_000)
    assert not store.jobs.due(stayed_empty=lambda _: False), "it may be in the queue"
    assert list(store.jobs.due(stayed_empty=lambda _: True)) == [(job.id, Queue.TRAIN)]


def test_a_lost_message_is_sent_again_when_a_later_one_was_claimed(store: Store, client: "redis.Redis") -> None:
    lost, later = create_sent(store, client, 6_000, 0)
    claimed(store, later)
    assert list(store.jobs.due(stayed_empty=lambda _: False)) == [(lost.id, Queue.TRAIN)]


def test_an_older_message_that_is_claimed_late_hides_no_lost_one(store: Store, client: "redis.Redis") -> None:
    # Given three messages, the middle one lost, the last one claimed before the first
    first, lost, last = create_sent(store, client, 20_000, 6_000, 0)
    claimed(store, last)
    claimed(store, first)
    # Then the newest claim still shows that the middle one is lost
    assert list(store.jobs.due(stayed_empty=lambda _: False)) == [(lost.id, Queue.TRAIN)]


def test_a_job_that_was_lost_counts_as_unsent_until_its_message_is_due(store: Store, client: "redis.Redis") -> None:
    job = make_job()
    store.jobs.create(job)
    store.jobs.sent(job.id)
    claimed(store, job)
    expire(store, job)
    store.jobs.reap(lease_s=LEASE_S)
    assert client.hget(keys.job(job.id), "sent") == ""
    assert list(store.jobs.due(stayed_empty=lambda _: False)) == [(job.id, Queue.TRAIN)]
