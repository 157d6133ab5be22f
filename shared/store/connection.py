"""Connect to Redis, and turn its errors into ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from shared.errors import StoreUnavailable

#: Replies decoded to str.
Client: TypeAlias = "redis.Redis"
Pipeline: TypeAlias = "redis.client.Pipeline"

#: What to say, by what Redis' own words hold.
_WORDS = {
    "it refuses the password, or wants one; mend CHARLOOM_REDIS_URL": (
        "NOAUTH",
        "HELLO must be",
        "WRONGPASS",
        "invalid username-password",
        "Authentication required",
    ),
    "it is a read-only replica; CHARLOOM_REDIS_URL must name the primary": ("read only replica",),
    "it has reached its maxmemory; give it more, or have it keep less (CHARLOOM_JOB_TTL_DAYS)": ("used memory >",),
    "it is still reading its file": ("loading the dataset",),
}

#: Longest wait for an answer, seconds: a half-open connection must not hold a lease's owner.
SOCKET_TIMEOUT_S = 5.0
#: Connections of one process at most.
MAX_CONNECTIONS = 32


def connect(url: str, *, tls: Mapping[str, str] | None = None, timeout_s: float = SOCKET_TIMEOUT_S) -> Client:
    """Make a client for this URL, with these options of TLS for rediss://. No connection is opened yet.

    A command that finds its connection dead is sent once more on a fresh one: each script is safe to repeat, since a
    repeated change is refused by the state it made. Of many threads that ask at once some wait for a connection; a
    pool that doesn't block would refuse them.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        **(tls or {}),
        max_connections=MAX_CONNECTIONS,
        timeout=timeout_s,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 1),
    )
    client: Client = redis.Redis.from_pool(pool)
    return client


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of Redis into `StoreUnavailable`, with words for whoever runs it."""
    try:
        yield
    except redis.RedisError as exc:
        raise StoreUnavailable(f"Redis can't serve this now: {_words(exc)}") from exc


def _words(exc: redis.RedisError) -> str:
    said = str(exc)
    for words, marks in _WORDS.items():
        if any(mark in said for mark in marks):
            return words
    return said
