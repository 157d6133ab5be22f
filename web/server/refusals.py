"""What gunicorn refuses before the application sees it: problem+json under /api as everywhere, plain text elsewhere."""

import http
import secrets
from typing import Final

from web.http.errors import BEFORE_A_CALL, Internal, Malformed
from web.http.problems import for_programs
from web.http.schemas import Problem

#: What gunicorn finds, by status.
_ERRORS: Final = {error.status: error for error in (Malformed, Internal, *BEFORE_A_CALL)}


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
    error = _ERRORS.get(status, Malformed)
    code, detail = error.code, error.message()
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
