"""What is left of a refused request's body is read and thrown away, as far as that is reasonable.

Closing a connection on which bytes wait unread resets it, and the client, which is still sending, never sees why it was
refused. gunicorn reads 64 kB by itself; a book without its key is longer.
"""

from contextlib import suppress

from flask import Flask, Response, request
from gunicorn.http.errors import ParseException

#: Bytes read at most; whoever sends more is cut off.
MOST_BYTES = 8 << 20
_PIECE_BYTES = 1 << 16


def install(app: Flask) -> None:
    """Do so after every refusal of this app."""
    app.after_request(_throw_away)


def _throw_away(response: Response) -> Response:
    if response.status_code >= 400 and (request.content_length or 0) <= MOST_BYTES:
        body, left = request.environ["wsgi.input"], MOST_BYTES
        with suppress(OSError, ValueError, ParseException):
            while left > 0 and (piece := body.read(_PIECE_BYTES)):
                left -= len(piece)
    return response
