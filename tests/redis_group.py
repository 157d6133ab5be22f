"""A primary, replicas and Sentinels of a test's own, on loopback: real processes, which can be killed."""

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

from cli.service import ports
from tests.servers import SERVER
from tests.waiting import eventually

NAME = "charloom"
#: Milliseconds without a reply after which a Sentinel takes the primary for dead.
DOWN_AFTER_MS = 2000


@dataclass
class RedisGroup:
    """The processes, by their ports."""

    folder: Path
    binary: str
    options: Sequence[str] = ()
    servers: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    sentinels: dict[int, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _words: dict[int, list[str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address for `CHARLOOM_REDIS_URL`."""
        return f"sentinel://{','.join(f'127.0.0.1:{port}' for port in self.sentinels)}/{NAME}/0"

    def client(self, port: int) -> "redis.Redis":
        """Return a client of one server or Sentinel."""
        return redis.Redis("127.0.0.1", port, decode_responses=True, socket_timeout=5)

    def start(self, *, replicas: int, sentinels: int) -> None:
        """Start a primary, its replicas and the Sentinels, and wait until all know each other."""
        primary = self._serve()
        for _ in range(replicas):
            self._serve("--replicaof", f"127.0.0.1 {primary}")
        with self.client(primary) as client:
            eventually(lambda: self._acknowledging(client) == replicas, "the replicas are there")
        for _ in range(sentinels):
            self._watch(primary)
        eventually(lambda: all(self._knows_all(port, replicas) for port in self.sentinels), "the Sentinels are ready")

    def primary(self) -> int:
        """Return the port of the server that the first Sentinel takes for the primary."""
        with self.client(next(iter(self.sentinels))) as client:
            return int(client.sentinel_get_master_addr_by_name(NAME)[1])

    def replicas(self) -> list[int]:
        """Return the ports of all other servers that run."""
        primary = self.primary()
        return [port for port, process in self.servers.items() if port != primary and process.poll() is None]

    def offset(self, port: int) -> int:
        """Return how much of the stream of writes a server has, bytes."""
        with self.client(port) as client:
            return int(client.info("replication")["master_repl_offset"])

    def taken_over_at(self, port: int) -> int:
        """Return how much of the former primary's stream of writes a promoted server has, bytes."""
        with self.client(port) as client:
            return int(client.info("replication")["second_repl_offset"]) - 1

    def wait_for_replicas(self) -> None:
        """Wait until the replicas have all that the primary has by now."""
        offset = self.offset(self.primary())
        eventually(lambda: all(self.offset(port) >= offset for port in self.replicas()), "the replicas are level")

    def is_whole(self) -> bool:
        """Return True if every server runs, and all but one replicate from it."""
        with self.client(self.primary()) as client:
            return self._acknowledging(client) == len(self.servers) - 1

    def stop_replication(self) -> None:
        """Cut the replicas off, so that the primary acknowledges what they will never have."""
        for port in self.replicas():
            self.servers[port].send_signal(signal.SIGSTOP)
        with self.client(self.primary()) as client:
            client.client_kill_filter(_type="replica")  # or they would find it in their sockets when they continue

    def fail_over(self) -> int:
        """Kill the primary, let stopped replicas continue, and wait until one has been promoted; return its port."""
        killed = self.primary()
        others = self.replicas()
        self.servers[killed].kill()
        self.servers[killed].wait()
        for port in others:
            self.servers[port].send_signal(signal.SIGCONT)
        eventually(lambda: self.primary() != killed and self._is_primary(self.primary()), "a replica is promoted")
        return self.primary()

    def restart(self, port: int) -> None:
        """Start a killed server as it was, as its supervisor would: empty, until the Sentinels make it a replica."""
        self.servers[port] = self._start(port, self._words[port])

    def close(self) -> None:
        """Kill all processes."""
        for process in (*self.sentinels.values(), *self.servers.values()):
            process.kill()
            process.wait()

    def _serve(self, *words: str) -> int:
        port = ports.find_free("127.0.0.1")
        folder = self.folder / str(port)
        folder.mkdir(parents=True)
        options = ["--port", str(port), "--dir", str(folder), "--save", "", "--repl-diskless-sync-delay", "0"]
        self._words[port] = [*options, *words, *self.options]
        self.servers[port] = self._start(port, self._words[port])
        return port

    def _watch(self, primary: int) -> None:
        port = ports.find_free("127.0.0.1")
        config = self.folder / f"sentinel-{port}.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {self.folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary} 2\n"
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {NAME} 3000\n"
        )
        self.sentinels[port] = self._start(port, [str(config), "--sentinel"], bind=False)

    def _start(self, port: int, words: Sequence[str], *, bind: bool = True) -> "subprocess.Popen[bytes]":
        log = self.folder / f"{port}.log"
        with log.open("wb") as output:
            address = ["--bind", "127.0.0.1"] if bind else []
            process = subprocess.Popen([self.binary, *words, *address], stdout=output, stderr=output)
        eventually(lambda: process.poll() is not None or self._responds(port), f"{port} responds")
        assert process.poll() is None, log.read_text()
        return process

    def _responds(self, port: int) -> bool:
        with suppress(redis.RedisError), self.client(port) as client:
            return bool(client.ping())
        return False

    def _is_primary(self, port: int) -> bool:
        with suppress(redis.RedisError), self.client(port) as client:
            return bool(client.role()[0] == "master")
        return False

    def _acknowledging(self, client: "redis.Redis") -> int:
        found = client.info("replication")
        return sum(1 for name, state in found.items() if name.startswith("slave") and state["state"] == "online")

    def _knows_all(self, port: int, replicas: int) -> bool:
        with self.client(port) as client:
            known = client.sentinel_master(NAME)
        return (known["num-other-sentinels"], known["num-slaves"]) == (len(self.sentinels) - 1, replicas)


@contextmanager
def redis_group(
    folder: Path, *options: str, replicas: int = 1, sentinels: int = 3, binary: str | None = None
) -> Iterator[RedisGroup]:
    """Run one; `options` are those of all its servers."""
    group = RedisGroup(folder, binary or SERVER, options)
    try:
        group.start(replicas=replicas, sentinels=sentinels)
        yield group
    finally:
        group.close()
