"""Requests with an idempotency key on a real server: one owner at a time, one job, one answer, one day."""

import pytest
import redis

from shared.errors import KeyReused
from shared.store import Begun, Store, keys
from shared.store.idempotency import HOLD_MS, KEPT_MS


def begin(store: Store, job_id: str = "job_1") -> Begun:
    begun = store.idempotency_keys.begin("key", "fingerprint", job_id=job_id)
    assert isinstance(begun, Begun)
    return begun


def record(client: "redis.Redis") -> str:
    (key,) = client.keys(f"{keys.LAYOUT['repeat']}*")
    return str(key)


def test_whoever_takes_a_request_over_makes_the_same_job(store: Store, client: "redis.Redis") -> None:
    first = begin(store)
    assert store.idempotency_keys.begin("key", "fingerprint", job_id="job_2") is None, "another works on it"
    client.hset(record(client), "until", 0)
    second = begin(store, "job_2")
    assert second.job_id == first.job_id == "job_1"
    # The one that was taken for dead can end nothing.
    store.idempotency_keys.release("key", first, forget=True)
    assert store.idempotency_keys.begin("key", "fingerprint", job_id="job_3") is None
    store.idempotency_keys.release("key", second, forget=False)
    assert begin(store, "job_3").job_id == "job_1"


def test_the_first_answer_counts_and_cant_be_released(store: Store) -> None:
    begun = begin(store)
    assert store.idempotency_keys.answer("key", "one") == "one"
    assert store.idempotency_keys.answer("key", "two") == "one"
    store.idempotency_keys.release("key", begun, forget=True)
    assert store.idempotency_keys.begin("key", "fingerprint", job_id="job_2") == "one"
    with pytest.raises(KeyReused):
        store.idempotency_keys.begin("key", "another", job_id="job_2")


def test_a_request_that_made_nothing_leaves_its_key_free(store: Store) -> None:
    store.idempotency_keys.release("key", begin(store), forget=True)
    begun = store.idempotency_keys.begin("key", "another", job_id="job_2")
    assert isinstance(begun, Begun)
    assert begun.job_id == "job_2"


def test_a_key_is_kept_for_a_day_from_its_first_request(store: Store, client: "redis.Redis") -> None:
    store.idempotency_keys.release("key", begin(store), forget=False)
    assert KEPT_MS - 60_000 < client.pttl(record(client)) <= KEPT_MS
    client.pexpire(record(client), 5_000)
    begin(store)
    assert client.pttl(record(client)) <= 5_000


def test_a_command_whose_reply_was_lost_may_be_sent_again(store: Store) -> None:
    arguments = ("name", "fingerprint", "job_1", "owner", HOLD_MS, KEPT_MS)
    run = store.idempotency_keys._scripts.run
    assert run("repeat_begin", *arguments) == run("repeat_begin", *arguments) == ["yours", "job_1"]
