"""Charloom as a user of Redis with few rights, by the very line of docs/redis.md."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import NoPermissionError

from shared.broker import Broker, make_app
from shared.errors import StoreUnavailable
from shared.jobs.record import Queue
from shared.store import Store
from tests.guarded import LINE, QUOTED, Guarded, go_the_whole_way, guarded, settings_of
from tests.waiting import eventually
from tests.worker.cluster import ROOT

ALLOWED = set(re.findall(r" \+(\S+)", LINE))

#: Commands behind the methods of redis-py that aren't named like them.
METHODS = {
    "delete": {"del"},
    "execute": {"multi", "exec"},
    "register_script": {"evalsha", "script|load", "script|exists"},
    "xinfo_stream": {"xinfo|stream"},
    "pipeline": set(),
    "close": set(),
}
#: What kombu's Redis transport needs for queues without publishing, read in its source (5.7).
BROKER = {
    *("brpop", "del", "evalsha", "exec", "exists", "get", "hdel", "hget", "hset", "llen", "lpush", "multi", "pexpire"),
    *("ping", "rpop", "rpush", "sadd", "script|exists", "script|load", "set", "smembers", "srem", "time", "unwatch"),
    *("watch", "zadd", "zrange", "zrangebyscore", "zrem", "zrevrangebyscore"),
}


def used() -> set[str]:
    """List the commands in the store's code: its methods, its Lua."""
    found: set[str] = set()
    for path in (ROOT / "shared" / "store").rglob("*.py"):
        for name in re.findall(r"\b(?:_client|client|pipeline|pipe)\.([a-z_]+)\(", path.read_text()):
            found |= METHODS.get(name, {name})
    for path in (ROOT / "shared" / "store" / "lua").glob("*.lua"):
        found |= {name.lower() for name in re.findall(r"redis\.call\('(\w+)'", path.read_text())}
    return found


def test_the_documented_line_allows_what_the_code_does_and_nothing_more() -> None:
    assert used() | BROKER == ALLOWED, "write the commands into docs/redis.md"


@pytest.fixture(scope="module")
def few_rights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded(tmp_path_factory.mktemp("valkey") / "server") as server:
        yield server


def test_everything_goes_with_the_few_rights_documented(few_rights: Guarded, tmp_path: Path) -> None:
    go_the_whole_way(few_rights, tmp_path)
    assert few_rights.denials() == []


def test_a_message_that_nobody_acknowledged_is_given_back(few_rights: Guarded) -> None:
    """What kombu does after a worker died with a message in its hands."""
    settings = settings_of(few_rights.url)
    Broker.of(settings).send("job_x", Queue.TRAIN)
    with make_app(settings).connection_for_read() as connection:
        channel = connection.default_channel
        queue = next(queue for queue in make_app(settings).conf.task_queues if queue.name == "train")
        message = queue.bind(channel).get()
        assert Broker.of(settings).waiting(Queue.TRAIN) == 0
        channel.qos.visibility_timeout = -60

        def given_back() -> bool:
            channel.qos.restore_visible(interval=1)
            return Broker.of(settings).waiting(Queue.TRAIN) == 1

        # A worker that was killed while it looked for such messages holds kombu's lock until that ends by itself.
        eventually(given_back, "the message is given back")
        again = queue.bind(channel).get()
        again.ack()
        message.reject()
    assert few_rights.denials() == []


@pytest.mark.parametrize(
    "words",
    [
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "SCAN 0",
        "CONFIG GET *",
        "CONFIG SET dir /tmp",
        "ACL LIST",
        "GET other:key",
        "SET other:key 1",
        "DEL charloomx",
        "EVAL 1 0",
        "PUBLISH charloom:x y",
        "SUBSCRIBE charloom:x",
        "MONITOR",
        "CLIENT LIST",
        "SAVE",
        "SHUTDOWN",
        "MODULE LIST",
        "REPLICAOF NO ONE",
        "RENAME charloom:a other",
    ],
)
def test_the_user_may_do_nothing_else(few_rights: Guarded, words: str) -> None:
    with redis.Redis.from_url(few_rights.url) as client, pytest.raises(NoPermissionError):
        client.execute_command(*words.split())
    few_rights.admin.acl_log_reset()


def test_a_script_may_touch_no_other_key(few_rights: Guarded) -> None:
    with redis.Redis.from_url(few_rights.url) as client:
        script = client.register_script("return redis.call('GET', 'other:key')")
        with pytest.raises(redis.ResponseError, match=r"(?i)permission|can't access"):
            script()
    few_rights.admin.acl_log_reset()


def test_the_password_is_in_no_error(few_rights: Guarded) -> None:
    store = Store.of(settings_of(few_rights.url.replace(QUOTED, "hunter2hunter2")))
    with pytest.raises(StoreUnavailable) as caught:
        store.ping()
    assert "hunter2" not in str(caught.value)
    with pytest.raises(StoreUnavailable) as caught:
        Broker.of(settings_of(few_rights.url.replace(QUOTED, "hunter2hunter2"))).send("job_x", Queue.TRAIN)
    assert "hunter2" not in str(caught.value)
    few_rights.admin.acl_log_reset()
