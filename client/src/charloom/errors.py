"""Every error that the client raises.

CharloomError
├── Unreachable              nobody answered, tries included
├── ApiError                 the server answered with a problem (RFC 9457)
│   ├── Invalid              400, 415, 416, 422: what was sent is wrong; `errors` says where
│   ├── Unauthorized         401: no key, or a wrong one
│   ├── Forbidden            403
│   ├── NotFound             404
│   ├── Conflict             409: it exists, but its state forbids this
│   ├── TooLarge             413
│   ├── TooManyRequests      429
│   ├── Unavailable          502, 503, 504: a part of the service is away, tries included
│   └── ServerError          any other 5xx
├── JobFailed                a job ended otherwise than well; `job` is the whole of it (client/records.py)
├── TimedOut                 a wait took longer than was asked for
└── Damaged                  a download isn't what its sha256 says
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx


class CharloomError(Exception):
    """Something went wrong with Charloom."""


class Unreachable(CharloomError):
    """Nobody answers at the server's address."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} doesn't answer: {reason}")
        self.url = url
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class WrongValue:
    """One wrong value of a request."""

    #: JSON pointer (RFC 6901) into the body or the query.
    pointer: str
    detail: str


class ApiError(CharloomError):
    """The server refused. Its fields are those of the problem document."""

    def __init__(
        self,
        *,
        status: int,
        title: str = "",
        detail: str = "",
        code: str = "",
        type: str = "about:blank",  # noqa: A002 (the name in RFC 9457)
        request_id: str = "",
        errors: Sequence[WrongValue] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail or title or f"the server answered {status}")
        self.status = status
        self.title = title
        self.detail = detail
        #: Short stable word for programs.
        self.code = code
        self.type = type
        #: What the server's log calls this request.
        self.request_id = request_id
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


class Invalid(ApiError):
    """What was sent is wrong."""


class Unauthorized(ApiError):
    """The server wants a key, or another one."""


class Forbidden(ApiError):
    """The server doesn't let this caller do that."""


class NotFound(ApiError):
    """Nothing is known under this id."""


class Conflict(ApiError):
    """The state of the thing forbids this now."""


class TooLarge(ApiError):
    """More bytes than are taken."""


class TooManyRequests(ApiError):
    """Too many requests; `retry_after_s` says when there is room again."""


class Unavailable(ApiError):
    """A part of the service is away just now."""


class ServerError(ApiError):
    """Something went wrong inside the server; its log has it under `request_id`."""


class TimedOut(CharloomError):
    """A wait took longer than was asked for."""


class Damaged(CharloomError):
    """A file that was downloaded isn't what the server told of it."""


_KIND_OF: Mapping[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: Invalid,
    416: Invalid,
    422: Invalid,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def error_of(answer: httpx.Response, *, retry_after_s: float | None = None) -> ApiError:
    """Make the error of an answer that was read, whether it holds a problem document or a proxy's page."""
    status = answer.status_code
    kind = _KIND_OF.get(status, ServerError if status >= httpx.codes.INTERNAL_SERVER_ERROR else ApiError)
    try:
        problem = answer.json()
    except (ValueError, RecursionError):
        problem = None
    if not isinstance(problem, dict):
        request = answer.request
        detail = (
            f"{request.method} {request.url.copy_with(query=None)} answered {status} {answer.reason_phrase}".strip()
        )
        return kind(status=status, title=answer.reason_phrase, detail=detail, retry_after_s=retry_after_s)
    return kind(
        status=status,
        retry_after_s=retry_after_s,
        errors=_wrong_values(problem.get("errors")),
        **{name: str(problem[name]) for name in ("title", "detail", "code", "type", "request_id") if problem.get(name)},
    )


def _wrong_values(found: Any) -> list[WrongValue]:
    if not isinstance(found, list):
        return []
    return [
        WrongValue(pointer=str(one.get("pointer", "")), detail=str(one.get("detail", "")))
        for one in found
        if isinstance(one, dict)
    ]
