"""Connects to Redis, and translates its errors."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from shared.errors import StoreUnavailable
from shared.redis_address import SentinelAddress, sentinels_of

#: Replies decoded to str.
Client: TypeAlias = "redis.Redis"
Pipeline: TypeAlias = "redis.client.Pipeline"

#: Messages, by parts of Redis' error messages.
_MESSAGES = {
    "it refuses the password, or requires one; correct CHARLOOM_REDIS_URL": (
        "NOAUTH",
        "HELLO must be",
        "WRONGPASS",
        "invalid username-password",
        "Authentication required",
    ),
    "it is a read-only replica; CHARLOOM_REDIS_URL must name the primary": ("read only replica",),
    "it has reached its maxmemory; raise it, or keep jobs for a shorter time (CHARLOOM_JOB_TTL_DAYS)": (
        "used memory >",
    ),
    "it is still loading its data": ("loading the dataset",),
    "too few of its replicas respond (min-replicas-to-write)": ("NOREPLICAS", "Not enough good replicas"),
}

#: Longest wait for a reply, seconds: a half-open connection must not block the owner of a lease.
SOCKET_TIMEOUT_S = 5.0
#: Longest wait for a Sentinel, seconds.
SENTINEL_TIMEOUT_S = 0.5
#: Seconds between two questions to a Sentinel which server is the primary.
SENTINEL_ASKED_S = 2.0
#: Most connections of one process.
MAX_CONNECTIONS = 32


class _SentinelPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """Connections to the primary that Sentinels name, for which threads wait as for those of the other pool.

    A primary that was paused takes writes for some ten seconds more, until it is made a replica, from whoever is still
    connected. So a Sentinel is asked every now and then; idle connections to another server are closed then.
    """

    _asked_at = float("-inf")

    def get_connection(self, *words: Any, **options: Any) -> Any:
        """Return a connection to the primary."""
        if time.monotonic() - self._asked_at > SENTINEL_ASKED_S:
            self._asked_at = time.monotonic()
            with suppress(redis.ConnectionError):  # none responds, but the primary may
                self.get_master_address()  # type: ignore[no-untyped-call]
        return super().get_connection(*words, **options)  # type: ignore[no-untyped-call]


def connect(url: str, *, tls: Mapping[str, str] | None = None, timeout_s: float = SOCKET_TIMEOUT_S) -> Client:
    """Return a client for this URL, with these options where it names TLS. No connection is opened yet.

    Behind Sentinels, each new connection goes to the server that is the primary by then; those that are idle are closed
    when it changes.

    A command whose connection turns out to be dead is sent once more on a new one: each script is safe to repeat, since
    the state that it produced refuses a repetition. With many threads some wait for a connection; a pool that doesn't
    block would refuse them.
    """
    options: dict[str, Any] = {
        **(tls or {}),
        "max_connections": MAX_CONNECTIONS,
        "timeout": timeout_s,
        "decode_responses": True,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "health_check_interval": 15,
        "retry": Retry(ExponentialBackoff(cap=0.2, base=0.05), 1),
    }
    sentinels = sentinels_of(url)
    if sentinels is None:
        pool = redis.BlockingConnectionPool.from_url(url, **options)
    else:
        pool = _SentinelPool(  # type: ignore[no-untyped-call]
            sentinels.name,
            Sentinel(sentinels.hosts, sentinel_kwargs=sentinel_options(sentinels, tls or {})),  # type: ignore[no-untyped-call]
            ssl=sentinels.tls,
            db=sentinels.database,
            username=sentinels.username,
            password=sentinels.password,
            **options,
        )
    client: Client = redis.Redis.from_pool(pool)
    return client


def sentinel_options(address: SentinelAddress, tls: Mapping[str, str]) -> dict[str, Any]:
    """Return redis-py's options for connections to Sentinels, with these options where the address has TLS.

    One that doesn't respond is passed over soon, and isn't tried again: there are others.
    """
    return {
        "socket_timeout": SENTINEL_TIMEOUT_S,
        "socket_connect_timeout": SENTINEL_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
        "username": address.sentinel_username,
        "password": address.sentinel_password,
        **({"ssl": True, **tls} if address.tls else {}),
    }


@contextmanager
def translated() -> Iterator[None]:
    """Turn Redis' errors into `StoreUnavailable`, with a message for the operator."""
    try:
        yield
    except redis.RedisError as exc:
        raise StoreUnavailable(f"Redis can't serve this now: {explain(exc)}") from exc


def explain(exc: Exception) -> str:
    """Return what is wrong, for the operator, from an error of redis-py or of kombu that wraps one."""
    original = str(exc)
    if "No master found" in original:
        errors = ", ".join(sorted(set(re.findall(r" - (\w+:\w+)(?=, <|$)", original))))
        return "no Sentinel knows a primary that responds, under the name in CHARLOOM_REDIS_URL" + (
            f" ({errors})" if errors else ""
        )
    for message, parts in _MESSAGES.items():
        if any(part in original for part in parts):
            return message
    return original
