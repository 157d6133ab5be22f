"""Connects to Redis, and translates its errors."""

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
}

#: Longest wait for a reply, seconds: a half-open connection must not block the owner of a lease.
SOCKET_TIMEOUT_S = 5.0
#: Most connections of one process.
MAX_CONNECTIONS = 32


def connect(url: str, *, tls: Mapping[str, str] | None = None, timeout_s: float = SOCKET_TIMEOUT_S) -> Client:
    """Return a client for this URL, with these TLS options for rediss://. No connection is opened yet.

    A command whose connection turns out to be dead is sent once more on a new one: each script is safe to repeat, since
    the state that it produced refuses a repetition. With many threads some wait for a connection; a pool that doesn't
    block would refuse them.
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
    """Turn Redis' errors into `StoreUnavailable`, with a message for the operator."""
    try:
        yield
    except redis.RedisError as exc:
        raise StoreUnavailable(f"Redis can't serve this now: {_message(exc)}") from exc


def _message(exc: redis.RedisError) -> str:
    original = str(exc)
    for message, parts in _MESSAGES.items():
        if any(part in original for part in parts):
            return message
    return original
