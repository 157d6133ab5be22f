"""The version and the configuration of the Redis server, as far as the safety of jobs depends on them."""

import re
from dataclasses import dataclass

from shared.errors import StoreTooOld
from shared.store.connection import Client, translated

#: The oldest Redis that has all commands: `EXPIRE … NX`, and the number of entries that a stream ever had. Valkey calls
#: itself Redis 7.2.4 here.
MIN_VERSION = (7, 0)


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """A server's version, memory and configuration."""

    #: "Valkey 9.1.2", "Redis 8.0.1".
    version: str
    used_bytes: int
    #: Most memory that it may use; 0: unlimited.
    most_bytes: int
    #: What happens to keys when the memory is full; "noeviction" loses none.
    policy: str
    #: Whether every write is appended to a file.
    append_only: bool
    #: Milliseconds since 1970 on its clock.
    clock_ms: int
    #: Connected replicas, and those that respond in time where `min-replicas-to-write` is set.
    replicas: int = 0
    good_replicas: int | None = None


def check_version(client: Client) -> None:
    """Raise StoreTooOld where the server is, StoreUnavailable where it can't be reached."""
    with translated():
        version = str(client.info("server").get("redis_version", ""))
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < MIN_VERSION:
        raise StoreTooOld(f"Redis {version} is too old: Charloom needs Redis 7.0 or newer, or Valkey.")


def ask(client: Client) -> ServerFacts:
    """Ask the server. Raises StoreUnavailable."""
    with translated():
        info = client.info()
        seconds, micros = client.time()
    valkey = info.get("valkey_version")
    return ServerFacts(
        version=f"Valkey {valkey}" if valkey else f"Redis {info.get('redis_version', '?')}",
        used_bytes=int(info.get("used_memory", 0)),
        most_bytes=int(info.get("maxmemory", 0)),
        policy=str(info.get("maxmemory_policy", "")),
        append_only=bool(int(info.get("aof_enabled", 0))),
        clock_ms=seconds * 1000 + micros // 1000,
        replicas=int(info.get("connected_slaves", 0)),
        good_replicas=info.get("min_slaves_good_slaves"),
    )
