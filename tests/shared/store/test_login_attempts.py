"""Wrong keys on a real server: they count for some minutes from the first one on."""

import redis

from shared.store import Store, keys
from shared.store.login_attempts import TRIES_S


def test_later_wrong_keys_dont_prolong_the_time_for_which_they_count(store: Store, client: "redis.Redis") -> None:
    assert store.login_attempts.note_wrong_key("10.0.0.1", "one")
    assert store.login_attempts.wrong_keys("10.0.0.1") == (1, TRIES_S)
    client.expire(keys.tries("10.0.0.1"), 60)
    assert store.login_attempts.note_wrong_key("10.0.0.1", "two")
    assert not store.login_attempts.note_wrong_key("10.0.0.1", "one"), "it has been counted"
    count, left_s = store.login_attempts.wrong_keys("10.0.0.1")
    assert count == 2
    assert left_s <= 60
