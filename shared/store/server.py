"""The configuration of the Redis server, as far as the safety of jobs depends on it."""

from dataclasses import dataclass

from shared.store.connection import Client, translated


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
    )
