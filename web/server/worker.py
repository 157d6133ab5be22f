"""gunicorn's thread worker, but a client holds a thread only while there is work to do for it.

The event loop reads a request's head and a small body, sends what a client is slow to read, and discards
what is left of a refused body. Clients that stall are cut off. When all places are taken, of an address or
altogether, a connection that no thread works for gives way to the new one.
"""

import errno
import selectors
import time
from collections.abc import Hashable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Final

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from web.security.callers import network_of
from web.server import refusals
from web.server.client_socket import MIN_RATE, ClientSocket
from web.server.connection import Connection
from web.server.places import Limits, Places

#: Bytes of a refused body that are read and thrown away, so that the client gets to read why.
MAX_DISCARDED_BYTES: Final = 8 << 20
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_READ_BYTES = 1 << 16
#: Connections accepted before the event loop turns to others.
_ACCEPTS = 64


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn is untyped
    """The worker that `web/gunicorn_conf.py` names, with the limits set there."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._places = Places(self.limits, connections=self.worker_connections - 1)
        #: Seconds between two checks for clients whose time is up, and when the next is due.
        self._check_s = min(0.5, self.limits.stall_s / 10)
        self._next_check = 0.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Raise RuntimeError if gunicorn is to speak TLS."""
        if cfg.is_ssl:
            raise RuntimeError("Charloom's web server speaks no TLS; put a proxy in front (docs/running.md).")
        super().check_config(cfg, log)

    # Connections come and go.

    def accept(self, listener: Any) -> None:
        """Accept the connections that wait."""
        for _ in range(_ACCEPTS):
            try:
                sock, client = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as exc:
                if exc.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                if oldest := self._places.oldest():
                    self._close(oldest)
                return
            address = network_of(client[0]) if isinstance(client, tuple) else ""
            while (conn := self._places.in_the_way(address)) is not None:
                self._close(conn)
            self._take_in(sock, client, listener.getsockname(), address)

    def _take_in(self, sock: Any, client: Any, server: Any, address: Hashable) -> None:
        client_socket = ClientSocket(
            sock, stall_s=self.limits.stall_s, on_backlog=lambda: self.method_queue.defer(self._watch_backlog, conn)
        )
        conn = Connection(self.cfg, client_socket, client, server, address)
        self.nr_conns += 1
        self._places.add(conn)
        conn.deadline = self._within(self.limits.stall_s)
        self._watch(conn, selectors.EVENT_READ)

    def _close(self, conn: Connection) -> None:
        if conn.watched == selectors.EVENT_WRITE:
            conn.sock.abort()
        self._watch(conn, 0)
        conn.closed = True
        conn.sock.release()
        self.nr_conns -= 1
        self._places.remove(conn)

    def _watch(self, conn: Connection, events: int) -> None:
        """Have the event loop wait for a connection to be readable or writable, or for neither (0)."""
        if events == conn.watched:
            return
        data = partial(self._on_readable if events == selectors.EVENT_READ else self._on_writable, conn)
        if not conn.watched:
            self.poller.register(conn.sock, events, data)
        elif events:
            self.poller.modify(conn.sock, events, data)
        else:
            self.poller.unregister(conn.sock)
        conn.watched = events

    # A request comes in.

    def _on_readable(self, conn: Connection, _: object) -> None:
        if conn.closed:  # by another event of the same turn
            return
        try:
            data = conn.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if conn.discarded is not None:
            conn.discarded += len(data)
            if not data or conn.discarded > MAX_DISCARDED_BYTES:
                self._close(conn)
            return
        conn.received += data
        if data:
            self._read_on(conn, len(data))
        elif conn.request is not None:  # the body ends early: that is the application's to answer
            self._hand_over(conn)
        else:
            self._close(conn)

    def _read_on(self, conn: Connection, came_bytes: int) -> None:
        """Serve the next request of a connection if enough of it is there."""
        if conn.request is None:
            if len(conn.received) == came_bytes:  # its first bytes
                conn.deadline = self._within(self.limits.stall_s)
            try:
                if conn.parse_head():
                    conn.deadline = self._within(self.limits.stall_s)
                    if conn.wants_continue():
                        conn.sock.sendall(_CONTINUE)
            except Exception as exc:  # noqa: BLE001  (as gunicorn's own: what a stranger sends must not end the worker)
                self.handle_error(None, conn.sock, conn.client, exc)
                self._answered(conn, keep=False)
                return
        else:
            conn.deadline = self._extended(conn.deadline, came_bytes)
        if conn.is_ready():
            self._hand_over(conn)
        else:
            self._watch(conn, selectors.EVENT_READ)

    def _hand_over(self, conn: Connection) -> None:
        self._watch(conn, 0)
        conn.hand_over()
        conn.busy, conn.deadline = True, None
        if self._places.start(conn):
            self.enqueue_req(conn)

    # A response goes out.

    def finish_request(self, conn: Connection, fs: "Future[bool]") -> None:
        """Go on with a connection whose request a thread has served."""
        conn.busy = False
        if next_one := self._places.finish(conn):
            self.enqueue_req(next_one)
        conn.sock.setblocking(False)
        keep = not fs.cancelled() and fs.exception() is None and fs.result()
        if keep:
            conn.take_back()
        self._answered(conn, keep=keep)

    def _answered(self, conn: Connection, *, keep: bool) -> None:
        conn.keep = keep
        if conn.sock.backlog or (keep and conn.received):  # the next request is served if the client reads
            self._watch_sending(conn)
        else:
            self._sent(conn)

    def _watch_backlog(self, conn: Connection) -> None:
        if not conn.closed and conn.sock.backlog:
            self._watch_sending(conn)

    def _watch_sending(self, conn: Connection) -> None:
        if conn.watched != selectors.EVENT_WRITE:
            conn.deadline = self._within(self.limits.stall_s)
            self._watch(conn, selectors.EVENT_WRITE)

    def _on_writable(self, conn: Connection, _: object) -> None:
        if conn.closed:
            return
        try:
            conn.deadline = self._extended(conn.deadline, conn.sock.flush())
        except OSError:
            self._cut_off(conn)
            return
        if conn.sock.backlog:
            return
        if conn.busy:
            conn.deadline = None
            self._watch(conn, 0)
        else:
            self._sent(conn)

    def _sent(self, conn: Connection) -> None:
        """Go on when the client's system has taken all of the response."""
        conn.pipelined = bool(conn.received)
        if conn.keep and conn.received:
            self._read_on(conn, len(conn.received))
            return
        if conn.keep:
            conn.deadline = self._within(self.cfg.keepalive)
        else:
            conn.discarded = 0
            conn.deadline = self._within(self.limits.stall_s)
            try:
                conn.sock.end()
            except OSError:
                self._close(conn)
                return
        self._watch(conn, selectors.EVENT_READ)

    # Time runs out.

    def _within(self, seconds: float) -> float:
        return time.monotonic() + (seconds if self.alive else min(seconds, STOP_KEEPALIVE_LINGER))

    def _extended(self, deadline: float | None, got_on_bytes: int) -> float:
        """Return a deadline put off by the time that this many bytes may take."""
        latest = self._within(self.limits.stall_s)
        return latest if deadline is None else min(latest, deadline + got_on_bytes / MIN_RATE)

    def _cut_off(self, conn: Connection) -> None:
        """Close a connection, or have its thread fail first."""
        if conn.busy:
            self._watch(conn, 0)
            conn.deadline = None
            conn.sock.abort()
            return
        waits = conn.watched == selectors.EVENT_READ and conn.discarded is None
        if waits and (conn.received or conn.request is not None):
            with suppress(OSError):
                conn.sock.sendall(refusals.timed_out(conn.sock.path))
        self._close(conn)

    def murder_keepalived(self, force: bool = False) -> None:
        """Cut off the clients that have stalled for too long; all of them if forced, when the worker ends."""
        now = time.monotonic()
        if now < self._next_check and not force:
            return
        self._next_check = now + self._check_s
        for conn in self._places.connections:
            if force or (conn.deadline is not None and conn.deadline <= now):
                self._cut_off(conn)

    def murder_pending(self) -> None:
        """Do nothing: there is one list of connections."""

    def _cap_keepalive(self, deadline: float) -> None:
        """Close what no request is worked at for by `deadline` at the latest: the worker is to end."""
        for conn in self._places.connections:
            if conn.deadline is not None and not conn.sock.backlog:
                conn.deadline = min(conn.deadline, deadline)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events, but no longer than deadlines may be missed by."""
        super().wait_for_and_dispatch_events(min(timeout, self._check_s))

    # gunicorn refuses a request itself.

    def handle_error(self, req: Any, client: ClientSocket, addr: Any, exc: BaseException) -> None:
        """Log an error as gunicorn does, and answer it in our form."""
        answer = refusals.Captured()
        super().handle_error(req, answer, addr, exc)
        with suppress(OSError):
            client.sendall(refusals.rendered(answer.status, client.path))
