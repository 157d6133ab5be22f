"""What is left of a refused request's body is read and thrown away, as far as that is reasonable.

Closing a connection on which bytes wait unread resets it, and the client, which is still sending, never sees why it was
refused. gunicorn reads 64 kB by itself; a book without its key is longer.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flask import Flask, Response, request
from gunicorn.http.errors import ParseException

#: Bytes read at most; whoever sends more is cut off.
MAX_BYTES = 8 << 20
#: Seconds that a stranger's body may take to come in: each holds a thread meanwhile.
MAX_S = 10.0
_PIECE_BYTES = 1 << 16


def install(app: Flask) -> None:
    """Do so after every refusal of this app."""
    app.after_request(_throw_away)


@contextmanager
def impatience() -> Iterator[None]:
    """Cut the present request's body off where it stands when `MAX_S` are over."""
    connection: socket.socket | None = request.environ.get("gunicorn.socket")
    if connection is None:
        yield
        return

    def cut_off() -> None:
        with suppress(OSError):  # it has been closed
            connection.shutdown(socket.SHUT_RD)

    timer = threading.Timer(MAX_S, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _throw_away(response: Response) -> Response:
    if response.status_code < 400:
        return response
    comes = request.content_length or "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    if comes and (request.content_length or 0) <= MAX_BYTES:
        body, left = request.environ["wsgi.input"], MAX_BYTES
        with impatience(), suppress(OSError, ValueError, ParseException):
            while left > 0 and (piece := body.read(_PIECE_BYTES)):
                left -= len(piece)
    return response
