"""The socket of one client, as gunicorn and its threads use it: no read and no write waits for longer than agreed.

The event loop owns the socket: it alone closes it, and it sends what the client didn't take at once. A thread that has
written a response is free again although the client has yet to read it.
"""

import errno
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Final

#: A client has to read, and to send a body, at this rate at least, bytes a second.
MIN_RATE: Final = 1024
#: Bytes kept for a client that reads slowly. A thread with more to send waits.
MAX_BACKLOG_BYTES: Final = 1 << 20
#: With this many bytes unsent the kernel takes no more: a client that reads nothing is noticed after a response or two.
_UNSENT_BYTES = 1 << 14
_PIECE_BYTES = 1 << 18
#: For SO_LINGER: a closed connection is reset.
_RESET = struct.pack("ii", 1, 0)
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", None)


class ClientSocket:
    """Stands in for a `socket.socket` where gunicorn expects one. One thread at a time uses it, and the event loop."""

    def __init__(self, connection: socket.socket, *, stall_s: float, on_backlog: Callable[[], None]) -> None:
        """Take over a connection.

        Args:
            connection: the client's.
            stall_s: seconds that a thread waits for a client that sends nothing.
            on_backlog: called when there is something to `flush`, by the thread that wrote it.
        """
        connection.setblocking(False)
        if _NOTSENT_LOWAT is not None:
            with suppress(OSError):  # it isn't TCP, or is gone already
                connection.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, _UNSENT_BYTES)
        self._connection, self._stall_s, self._on_backlog = connection, stall_s, on_backlog
        #: Seconds that a thread may still wait: waiting spends them, bytes earn them.
        self._left_s = stall_s
        self._waits = False
        self._backlog = bytearray()
        self._changed = threading.Condition()
        self._aborted = False
        #: The path that the current request asks for, as far as it is known.
        self.path = ""

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes; none at the end, or if the client stalls.

        Raises:
            BlockingIOError: there are none yet, and the socket isn't to wait.
        """
        while True:
            try:
                data = self._connection.recv(size)
            except BlockingIOError:
                if not self._waits:
                    raise
                if not self._wait_for_data():
                    return b""
            else:
                self._left_s = min(self._stall_s, self._left_s + len(data) / MIN_RATE)
                return data

    def sendall(self, data: bytes) -> None:
        """Send what the client takes at once and keep the rest for `flush`. Raises OSError if the client is gone."""
        with self._changed:
            sent = 0 if self._backlog else self._send(data)
            if sent == len(data):
                return
            was_empty = not self._backlog
            self._backlog += data[sent:]
            if was_empty:
                self._on_backlog()
            self._changed.wait_for(lambda: self._aborted or len(self._backlog) <= MAX_BACKLOG_BYTES)
            if self._aborted:
                raise ConnectionResetError(errno.ECONNRESET, "the client was cut off")

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        """Send `count` bytes of a file, or all from `offset`, and return how many there were."""
        file.seek(offset)
        end = None if count is None else offset + count
        while piece := file.read(_PIECE_BYTES if end is None else min(_PIECE_BYTES, end - file.tell())):
            self.sendall(piece)
        return file.tell() - offset

    def setblocking(self, blocking: bool) -> None:
        """Have `recv` wait for the client, as a thread does, or not, as the event loop does."""
        self._waits, self._left_s = blocking, self._stall_s

    def shutdown(self, _how: int) -> None:
        """Leave it to the event loop; gunicorn's `close_graceful` then goes on to `close`."""
        raise OSError

    def close(self) -> None:
        """Leave it to the event loop, once the backlog is sent."""

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._connection.fileno()

    # For the event loop:

    @property
    def backlog(self) -> int:
        """Bytes that wait for the client to read."""
        return len(self._backlog)

    def flush(self) -> int:
        """Send what the client takes of the backlog; return how much. Raises OSError if the client is gone."""
        with self._changed:
            sent = self._send(self._backlog[:_PIECE_BYTES]) if self._backlog else 0
            del self._backlog[:sent]
            self._changed.notify_all()
            return sent

    def abort(self) -> None:
        """Have the thread that uses this socket fail, and forget what the client hasn't read, in the kernel too."""
        with self._changed, suppress(OSError):
            self._aborted = True
            self._changed.notify_all()
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._connection.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Signal the client that nothing follows. Raises OSError if it is gone."""
        self._connection.shutdown(socket.SHUT_WR)

    def release(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self, data: bytes | bytearray) -> int:
        if self._aborted:
            raise ConnectionResetError(errno.ECONNRESET, "the client was cut off")
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0

    def _wait_for_data(self) -> bool:
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        began = time.monotonic()
        came = bool(poll.poll(max(0.0, self._left_s) * 1000))
        self._left_s -= time.monotonic() - began
        return came
