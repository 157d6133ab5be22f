"""Who holds how many connections and threads, by address. Closes nothing itself."""

from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

from web.server.connection import Connection


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What clients may take."""

    #: Seconds for a whole head, and seconds without progress in sending a body or reading a response.
    stall_s: float = 10.0
    #: Connections of one address.
    connections_per_address: int = 1024
    #: Threads that requests of one address may hold, and one more for those that it pipelines.
    threads_per_address: int = 56


@dataclass(kw_only=True)
class _Lane:
    """Requests of one address, of which some have a thread and the others wait for one of these."""

    threads: int
    running: int = 0
    waiting: deque[Connection] = field(default_factory=deque)


@dataclass(kw_only=True)
class _Address:
    """The connections of one address, in the order they came."""

    usual: _Lane
    #: Requests sent before the last response was read. Browsers and HTTP libraries don't; a flood does.
    pipelined: _Lane = field(default_factory=lambda: _Lane(threads=1))
    connections: dict[Connection, None] = field(default_factory=dict)


class Places:
    """All connections of a process, in the order they came. Only the event loop uses it."""

    def __init__(self, limits: Limits, *, connections: int) -> None:
        self._limits, self._max = limits, connections
        self._all: dict[Connection, None] = {}
        self._addresses: dict[Hashable, _Address] = {}

    @property
    def connections(self) -> list[Connection]:
        """All connections."""
        return list(self._all)

    def add(self, conn: Connection) -> None:
        """Count a connection."""
        self._all[conn] = None
        if conn.address not in self._addresses:
            self._addresses[conn.address] = _Address(usual=_Lane(threads=self._limits.threads_per_address))
        self._addresses[conn.address].connections[conn] = None

    def remove(self, conn: Connection) -> None:
        """Count a connection no more."""
        del self._all[conn]
        there = self._addresses[conn.address]
        del there.connections[conn]
        if not there.connections:
            del self._addresses[conn.address]

    def in_the_way(self, address: Hashable) -> Connection | None:
        """Return a connection to close before one of an address is accepted, if it, or the process, has all it may."""
        there = self._addresses.get(address)
        if there is not None and len(there.connections) >= self._limits.connections_per_address:
            return _oldest(there.connections)
        return self.oldest() if len(self._all) >= self._max else None

    def oldest(self) -> Connection | None:
        """Return the oldest connection that no thread works for."""
        return _oldest(self._all)

    def start(self, conn: Connection) -> bool:
        """Return True if the request of a connection gets a thread now; if not, `finish` returns it later."""
        there = self._addresses[conn.address]
        conn.lane = lane = there.pipelined if conn.pipelined else there.usual
        if lane.running < lane.threads:
            lane.running += 1
            return True
        lane.waiting.append(conn)
        return False

    def finish(self, conn: Connection) -> Connection | None:
        """Return the connection whose request gets the thread of one that was served."""
        if conn.lane.waiting:
            return conn.lane.waiting.popleft()  # type: ignore[no-any-return]
        conn.lane.running -= 1
        return None


def _oldest(connections: Iterable[Connection]) -> Connection | None:
    return next((conn for conn in connections if not conn.busy), None)
