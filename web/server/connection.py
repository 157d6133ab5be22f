"""One client's connection: what has come in of its next request, and whether that is enough to take a thread for it."""

import re
from collections.abc import Hashable
from typing import Any, Final

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.message import Request as GunicornRequest
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn

from web.server.client_socket import ClientSocket

#: Largest head of a request, bytes. A browser's has some 2 kB; cookies and addresses have limits of their own.
MAX_HEAD_BYTES: Final = 1 << 16
#: Bodies up to this many bytes have to be there before a thread is taken: all forms, and most JSON.
SMALL_BODY_BYTES: Final = 1 << 16
#: The end of a chunked body, with trailers or without. Where a text only looks like it, a thread waits for the rest.
_LAST_CHUNK = re.compile(rb"(?:\A|\n)0+[^\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")
_MAX_LAST_CHUNK_BYTES = 1024
#: The path in a request line, also of an absolute address.
_PATH = re.compile(rb"\s*\S+ (?:https?://[^/\s]*)?(/[^\s?]*)")


class Request(GunicornRequest):  # type: ignore[misc]  # gunicorn is untyped
    """A request after which the connection is closed, unless all of its body is there when the response begins."""

    def should_close(self) -> bool:
        """Return True if no other request can follow."""
        return bool(super().should_close()) or not self._has_whole_body()

    def _has_whole_body(self) -> bool:
        reader = self.body.reader
        if isinstance(reader, LengthReader):
            return bool(reader.length <= self.unreader.buf.getbuffer().nbytes)
        return reader.parser is None


class _Parser(RequestParser):  # type: ignore[misc]
    """Parses a request when all of its head is there, and hands it out when gunicorn asks for it in a thread."""

    mesg_class = Request

    def parse(self, data: bytes) -> Request:
        self.unreader.unread(data)
        request: Request = super().__next__()
        return request

    def __next__(self) -> Request:
        request: Request = self.mesg
        return request


class Connection(TConn):  # type: ignore[misc]
    """A connection, as gunicorn's thread worker knows them."""

    def __init__(self, cfg: Any, sock: ClientSocket, client: Any, server: Any, address: Hashable) -> None:
        super().__init__(cfg, sock, client, server)
        self.parser = _Parser(cfg, sock, client)
        self.initialized = self.data_ready = True
        #: Whom its place is counted for.
        self.address = address
        #: What has come in and isn't parsed yet.
        self.received = bytearray()
        #: The request whose head is there.
        self.request: Request | None = None
        #: A thread has it, or will.
        self.busy = False
        #: The request came in before the response to the one before was sent.
        self.pipelined = False
        #: What counts the thread, kept here for the worker.
        self.lane: Any = None
        #: Another request may follow.
        self.keep = True
        #: Only what is left of the client's request is still read, and thrown away; its bytes so far.
        self.discarded: int | None = None
        #: When the client must have got on, by the monotonic clock, seconds; None: the client isn't waited for.
        self.deadline: float | None = None
        #: What the event loop waits for: a mask of `selectors`.
        self.watched = 0
        self.closed = False

    def parse_head(self) -> bool:
        """Parse the head of the next request; return False if more of it must come first.

        Raises:
            ParseException: it is malformed or too large.
        """
        if self.request is not None:
            return True
        data = self.received
        if match := _PATH.match(data[:512]):
            self.sock.path = match[1].decode("latin-1")
        if not _is_whole(data, self.cfg.limit_request_line):
            if len(data) > MAX_HEAD_BYTES:
                raise LimitRequestHeaders(f"more than {MAX_HEAD_BYTES} bytes")
            return False
        self.received = bytearray()
        self.request = self.parser.parse(bytes(data))
        self.received += self.parser.unreader.take_buffered()
        return True

    def is_ready(self) -> bool:
        """Return True if the request is worth a thread: its head is there, and its body unless that is a large one.

        A large body is refused, or read, by the application.
        """
        if self.request is None:
            return False
        if len(self.received) >= SMALL_BODY_BYTES:
            return True
        reader = self.request.body.reader
        if isinstance(reader, LengthReader):
            return bool(reader.length > SMALL_BODY_BYTES or len(self.received) >= reader.length)
        start = max(0, len(self.received) - _MAX_LAST_CHUNK_BYTES)
        return _LAST_CHUNK.search(self.received, start) is not None

    def wants_continue(self) -> bool:
        """Return True once if the client waits for "100 Continue" before it sends the body."""
        wants = self.request is not None and self.request._expected_100_continue  # noqa: SLF001
        if wants and self.request is not None:
            self.request._expected_100_continue = False  # noqa: SLF001
        return bool(wants)

    def hand_over(self) -> None:
        """Give what has come in to the parser, for the thread that serves the request."""
        self.parser.unreader.unread(bytes(self.received))
        self.received.clear()

    def take_back(self) -> None:
        """Take what the parser holds beyond the request that was served."""
        self.received += self.parser.unreader.take_buffered()
        self.request, self.sock.path = None, ""


def _is_whole(data: bytearray, max_line: int) -> bool:
    """Return True if gunicorn's parser comes to an end with these bytes: the head is whole, or is wrong already."""
    start = 2 if data.startswith(b"\r\n") else 0  # one empty line before it is allowed (RFC 9112, 2.2)
    return (
        data.find(b"\r\n\r\n", start) >= 0
        or (start > 0 and data.startswith(b"\r\n", start))
        or data.count(b"\n") != data.count(b"\r\n")
        or (len(data) > max_line + 4 and data.find(b"\r\n", start) < 0)
    )
