"""Every error that the client raises.

CharloomError
├── Unreachable              the server can't be reached, after all attempts
├── ApiError                 the server refused, or failed (RFC 9457)
│   ├── Invalid              400, 415, 416, 422: the request is wrong; `errors` says where
│   ├── Unauthorized         401: no key, or a wrong one
│   ├── Forbidden            403
│   ├── NotFound             404
│   ├── Conflict             409: the resource exists, but its state forbids this
│   ├── TooLarge             413
│   ├── TooManyRequests      429
│   ├── Unavailable          502, 503, 504: a part of the service is unavailable, after all attempts
│   └── ServerError          any other 5xx
├── JobFailed                a job hasn't succeeded; `job` is its record (`charloom/job_records.py`)
├── TimedOut                 a wait took longer than its timeout
├── Damaged                  a download has another sha256 than the server says
└── InvalidId                a string isn't the id of such a resource; nothing was sent
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx


class CharloomError(Exception):
    """Base of all errors."""


class Unreachable(CharloomError):
    """The server can't be reached."""

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
        #: A stable identifier for programs.
        self.code = code
        self.type = type
        #: The id of this request in the server's log.
        self.request_id = request_id
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s


class Invalid(ApiError):
    """The request is wrong."""


class Unauthorized(ApiError):
    """The server requires a key, or another one."""


class Forbidden(ApiError):
    """The server doesn't allow this caller to do that."""


class NotFound(ApiError):
    """Nothing has this id."""


class Conflict(ApiError):
    """The state of the resource forbids this."""


class TooLarge(ApiError):
    """The request is larger than the server accepts."""


class TooManyRequests(ApiError):
    """Too many requests; `retry_after_s` says when to send the next."""


class Unavailable(ApiError):
    """A part of the service is unavailable."""


class ServerError(ApiError):
    """An internal error of the server; its log has it under `request_id`."""


class TimedOut(CharloomError):
    """A wait took longer than its timeout."""


class Damaged(CharloomError):
    """A download has another sha256 than the server says."""


class InvalidId(CharloomError):
    """A string isn't the id of such a resource."""


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


def error_of(response: httpx.Response, *, retry_after_s: float | None = None) -> ApiError:
    """Return the error for a response that was read: a problem document, or the page of a proxy."""
    status = response.status_code
    kind = _KIND_OF.get(status, ServerError if status >= httpx.codes.INTERNAL_SERVER_ERROR else ApiError)
    try:
        problem = response.json()
    except (ValueError, RecursionError):
        problem = None
    if not isinstance(problem, dict):
        request = response.request
        detail = (
            f"{request.method} {request.url.copy_with(query=None)} answered {status} {response.reason_phrase}".strip()
        )
        return kind(status=status, title=response.reason_phrase, detail=detail, retry_after_s=retry_after_s)
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
