"""Every error as the asker can use it: `application/problem+json` (RFC 9457) under /api, a page elsewhere."""

import http
import re
import secrets
from collections.abc import Iterable

from flask import Flask, Response, g, render_template, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from shared.errors import (
    CharloomError,
    Conflict,
    FieldError,
    InvalidRequest,
    NotFound,
    TooLarge,
    TooManyQueued,
    Unavailable,
)
from web.http.schemas import Problem, WrongValue

#: Seconds after which it is worth asking again when Redis or the volume is away.
RETRY_S = 2

_STATUS_OF = {InvalidRequest: 422, TooLarge: 413, NotFound: 404, Conflict: 409, TooManyQueued: 429, Unavailable: 503}
#: Short words of the errors that Flask itself finds.
_CODES = {
    400: "malformed",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    500: "internal",
}
_DETAILS = {
    400: "The request can't be read: its body ended early or is malformed.",
    404: "There is nothing at this address. GET /api/openapi.json lists what there is.",
    405: "This address doesn't know the method; the Allow header lists those it knows.",
    413: "The body is larger than what is taken here.",
    416: "The range asked for lies outside of the file.",
    500: "Something went wrong inside; the server's log has it under this request_id.",
}
#: How a key is to be shown (RFC 6750).
_CHALLENGE = 'Bearer realm="charloom"'
_CHALLENGE_WRONG = f'{_CHALLENGE}, error="invalid_token"'
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Forbidden(CharloomError):
    """The request comes from where it may not."""

    code = "forbidden"


class Unauthorized(CharloomError):
    """Send a key as Authorization: Bearer, or sign in at /login. The service's operator issues keys."""

    code = "unauthorized"

    def __init__(self, detail: str | None = None, *, wrong: bool = False) -> None:
        super().__init__(detail)
        #: Whether a key was shown, but no right one.
        self.wrong = wrong


class TooManyTries(CharloomError):
    """Too many wrong keys came from this address."""

    code = "too_many_tries"

    def __init__(self, detail: str | None = None, *, retry_s: int) -> None:
        super().__init__(detail)
        #: Seconds after which it is worth trying again.
        self.retry_s = retry_s


class TooManyCalls(CharloomError):
    """You call too often."""

    code = "too_many_calls"

    def __init__(self, detail: str | None = None, *, retry_s: int) -> None:
        super().__init__(detail)
        #: Seconds after which the next call may come.
        self.retry_s = retry_s


class Malformed(CharloomError):
    """The body can't be read."""

    code = "malformed"


class UnsupportedMediaType(CharloomError):
    """The body is of a type that isn't taken here."""

    code = "unsupported_media_type"


class Busy(CharloomError):
    """All places for open streams are taken; try again shortly."""

    code = "busy"


class NotReady(CharloomError):
    """Something that jobs need is missing."""

    code = "not_ready"


_STATUS_OF_DOOR = {
    Unauthorized: 401,
    Forbidden: 403,
    TooManyTries: 429,
    TooManyCalls: 429,
    Malformed: 400,
    UnsupportedMediaType: 415,
    Busy: 503,
    NotReady: 503,
}


def install(app: Flask) -> None:
    """Answer every error of this app in our form, and name every request."""
    app.before_request(_name_request)
    app.after_request(_tell_name)
    app.register_error_handler(CharloomError, _of_ours)
    app.register_error_handler(HTTPException, _of_flask)
    # gunicorn finds a broken chunk only while the body is being read.
    app.register_error_handler(ParseException, _of_broken_body)


def request_id() -> str:
    """Return what names this request in answers and in the log."""
    if "request_id" not in g:
        _name_request()
    name: str = g.request_id
    return name


def problem(
    status: int,
    *,
    code: str,
    detail: str,
    errors: Iterable[FieldError] = (),
    retry_s: int | None = None,
) -> Response:
    """Make the answer that tells of an error: JSON for programs, a page for people."""
    title = http.HTTPStatus(status).phrase
    if for_programs(request.path):
        body = Problem(
            title=title,
            status=status,
            detail=_encodable(detail),
            code=code,
            request_id=request_id(),
            errors=[WrongValue(pointer=_encodable(e.pointer), detail=_encodable(e.detail)) for e in errors],
        )
        response = Response(body.model_dump_json(), status, content_type="application/problem+json")
    else:
        page = render_template("error.html", status=status, title=title, detail=_encodable(detail), errors=list(errors))
        response = Response(page, status, content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    if retry_s is not None:
        response.headers["Retry-After"] = str(retry_s)
    return response


def for_programs(path: str) -> bool:
    """Return True if a path is called by programs, or shown to people."""
    return (path.startswith("/api/") and path != "/api/docs") or path in ("/api", "/healthz", "/readyz")


def _name_request() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _GOOD_ID.fullmatch(given) else secrets.token_hex(8)


def _tell_name(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id()
    return response


def _of_ours(error: CharloomError) -> Response:
    table = _STATUS_OF | _STATUS_OF_DOOR
    status = next((table[kind] for kind in type(error).__mro__ if kind in table), 500)
    errors = error.errors if isinstance(error, InvalidRequest) else ()
    retry_s = RETRY_S if status == http.HTTPStatus.SERVICE_UNAVAILABLE else getattr(error, "retry_s", None)
    response = problem(status, code=error.code, detail=error.detail, errors=errors, retry_s=retry_s)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = _CHALLENGE_WRONG if error.wrong else _CHALLENGE
    return response


def _of_flask(error: HTTPException) -> Response:
    status = error.code or 500
    code = _CODES.get(status) or http.HTTPStatus(status).phrase.lower().replace(" ", "_")
    response = problem(status, code=code, detail=_DETAILS.get(status) or error.description or error.name)
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _of_broken_body(_: ParseException) -> Response:
    return problem(400, code="malformed", detail=_DETAILS[400])


def _encodable(text: str) -> str:
    """Spell lone surrogates as escapes: UTF-8 can't hold them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
