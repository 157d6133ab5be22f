"""What gunicorn refuses before the application sees it: problem+json under /api as everywhere, plain text elsewhere."""

import http
import secrets
from typing import Final

from web.http.problems import for_programs
from web.http.schemas import Problem

#: Code and detail by status.
PROBLEMS: Final = {
    400: ("malformed", "The request can't be read: its head is malformed."),
    408: ("timeout", "The request didn't come in in time. Send it again."),
    414: ("uri_too_long", "The address has more than 4,094 characters; put what is long into the body."),
    417: ("expectation_failed", "Only 100-continue can be expected."),
    431: ("headers_too_large", "The headers are too many or too long: at most 100 of 8,190 bytes, 64 KiB together."),
    500: ("internal", "Something went wrong inside."),
    501: ("not_implemented", "Of the transfer codings only chunked is taken."),
}


class Captured:
    """Takes the place of a client's socket and keeps the status that gunicorn answers with."""

    def __init__(self) -> None:
        self.status = 500

    def gettimeout(self) -> float:
        """Return 0: it never blocks."""
        return 0.0

    def sendall(self, data: bytes) -> None:
        """Read the status of a response."""
        self.status = int(data.split(b" ", 2)[1])


def rendered(status: int, path: str) -> bytes:
    """Return a whole response that refuses a request for `path`, after which the connection is closed."""
    title = http.HTTPStatus(status).phrase
    code, detail = PROBLEMS.get(status, PROBLEMS[400])
    name = secrets.token_hex(8)
    if for_programs(path):
        problem = Problem(title=title, status=status, detail=detail, code=code, request_id=name, errors=[])
        kind, body = "application/problem+json", problem.model_dump_json()
    else:
        kind, body = "text/plain; charset=utf-8", f"{title}\n{detail}\n"
    head = (
        f"HTTP/1.1 {status} {title}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: {name}\r\n\r\n"
    )
    return (head + body).encode()


def timed_out(path: str) -> bytes:
    """Return the response to a request that didn't come in in time."""
    return rendered(408, path)
