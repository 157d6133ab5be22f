"""Clients that guess keys must wait, callers are distinguished, and only trusted proxies may name them."""

import re
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.web.locked import BERT, WRONG, bearer, locked_world, sign_in
from tests.web.world import API, World
from web.security.callers import caller


def test_an_address_that_tries_keys_is_held_off(locked: World, redis_url: str) -> None:
    other = {"REMOTE_ADDR": "203.0.113.9"}
    for number in range(10):
        assert locked.get("/jobs", headers=bearer(WRONG.format(number))).status_code == 401
    # Then every other wrong key is refused as one too many, wherever it is presented
    held = locked.get("/jobs", headers=bearer(WRONG.format(99)))
    assert (held.status_code, held.json["code"]) == (429, "too_many_tries")
    assert 0 < int(held.headers["Retry-After"]) <= 600
    at_the_form = sign_in(locked, key=WRONG.format(98))
    assert at_the_form.status_code == 429
    with redis.Redis.from_url(redis_url) as client:
        [key] = client.keys("charloom:tries:*")
        # The same time, which goes on while a busy machine answers.
        assert client.ttl(key) <= int(at_the_form.headers["Retry-After"]) <= int(held.headers["Retry-After"])
    # but a valid one is accepted, and others may still mistype theirs
    assert locked.get("/jobs", headers=bearer()).status_code == 200
    assert sign_in(locked).status_code == 303
    assert locked.get("/jobs", headers=bearer(WRONG), environ_base=other).status_code == 401
    # until the time is up.
    with redis.Redis.from_url(redis_url) as client:
        assert 590 <= client.ttl(key) <= 600
        client.delete(key)
    assert locked.get("/jobs", headers=bearer(WRONG)).status_code == 401


def test_the_form_counts_too(locked: World) -> None:
    for number in range(10):
        assert sign_in(locked, key=WRONG.format(number)).status_code == 403
    assert locked.get("/jobs", headers=bearer(WRONG.format(99))).status_code == 429


def test_one_wrong_key_again_and_again_shuts_nobody_out(locked: World, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(30):
        assert locked.get("/jobs", headers=bearer(WRONG)).status_code == 401
    assert locked.get("/jobs", headers=bearer(WRONG.format(1))).status_code == 401
    assert caplog.text.count("A wrong key was sent from 127.0.0.1") == 2


def test_a_session_goes_on_where_its_address_is_held_off(locked: World) -> None:
    sign_in(locked)
    for number in range(10):
        locked.get("/jobs", headers=bearer(WRONG.format(number)))
    assert locked.http.get("/jobs").status_code == 200


def test_of_ipv6_the_network_is_held_off(locked: World) -> None:
    for number in range(10):
        locked.get("/jobs", headers=bearer(WRONG.format(number)), environ_base={"REMOTE_ADDR": f"2001:db8::{number}"})
    near, far = ({"REMOTE_ADDR": address} for address in ("2001:db8::ffff", "2001:db8:0:1::1"))
    assert locked.get("/jobs", headers=bearer(WRONG), environ_base=near).status_code == 429
    assert locked.get("/jobs", headers=bearer(WRONG), environ_base=far).status_code == 401


def test_what_was_mistyped_is_kept_nowhere(locked: World, redis_url: str) -> None:
    locked.get("/jobs", headers=bearer(WRONG))
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        [key] = client.keys("charloom:tries:*")
        [mark] = client.smembers(key)
    assert key == "charloom:tries:127.0.0.1"
    assert re.fullmatch(r"[0-9a-f]{8}", mark)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"headers": bearer()}, "anna"),
        ({"headers": bearer(BERT)}, "key-2"),
        ({"environ_base": {"REMOTE_ADDR": "203.0.113.9"}}, "203.0.113.9"),
        ({"environ_base": {"REMOTE_ADDR": "::ffff:203.0.113.9"}}, "203.0.113.9"),
        ({"environ_base": {"REMOTE_ADDR": "2001:db8::7"}}, "2001:db8::/64"),
        ({"environ_base": {"REMOTE_ADDR": ""}}, "unknown"),
    ],
)
def test_a_caller_is_a_key_s_name_or_an_address(locked: World, given: dict[str, Any], expected: str) -> None:
    with locked.app.test_request_context(f"{API}/jobs", **given):
        if "headers" in given:
            assert locked.app.preprocess_request() is None
        assert caller() == expected


def test_a_caller_by_session_is_the_key_s_name(locked: World) -> None:
    sign_in(locked, key=BERT)
    with locked.http as http:
        http.get("/jobs")
        assert caller() == "key-2"


FORWARDED = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(("proxies", "expected"), [(0, "127.0.0.1"), (1, "203.0.113.9"), (2, "198.51.100.1")])
def test_only_trusted_proxies_say_where_a_call_comes_from(
    redis_url: str, data_dir: Path, proxies: int, expected: str
) -> None:
    world = locked_world(redis_url, data_dir, CHARLOOM_TRUSTED_PROXIES=str(proxies))
    world.get("/jobs", headers=FORWARDED | bearer(WRONG))
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        assert client.keys("charloom:tries:*") == [f"charloom:tries:{expected}"]
    cookie = world.http.get("/login", headers=FORWARDED | {"X-Forwarded-Proto": "https"}).headers["Set-Cookie"]
    assert ("Secure" in cookie) == (proxies == 1), "two trusted proxies, but only one spoke"
    world.close()
