"""What an operator reads where Redis, or its Sentinels, can't be reached."""

import pytest
from redis.exceptions import AuthenticationError, ResponseError

from shared.broker import Broker
from shared.errors import StoreUnavailable
from shared.jobs.record import Queue
from shared.settings import load
from shared.store import Store
from shared.store.connection import explain


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AuthenticationError("invalid username-password pair or user is disabled."), "it refuses the password"),
        (ResponseError("NOREPLICAS Not enough good replicas to write."), "too few of its replicas respond"),
        (ResponseError("You can't write against a read only replica."), "it is a read-only replica"),
        (ResponseError("OOM command not allowed when used memory > 'maxmemory'."), "it has reached its maxmemory"),
        (ResponseError("something else"), "something else"),
    ],
)
def test_an_error_says_what_to_do(error: Exception, words: str) -> None:
    assert explain(error).startswith(words)


def test_sentinels_that_do_not_respond_are_named_without_the_password() -> None:
    settings = load(
        {"CHARLOOM_REDIS_URL": "sentinel://u:hunter2@127.0.0.1:1,127.0.0.1:2/main?sentinel_password=hunter2"}
    )
    for ask in (Store.of(settings).ping, lambda: Broker.of(settings).send("job_x", Queue.TRAIN)):
        with pytest.raises(
            StoreUnavailable, match=r"no Sentinel knows a primary .* \(network:ConnectionError\)"
        ) as caught:
            ask()
        assert "hunter2" not in str(caught.value)
