"""Error responses: `application/problem+json` (RFC 9457) under /api, a page elsewhere."""

import http
import re
import secrets
from collections.abc import Iterable

from flask import Flask, Response, current_app, g, render_template, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from shared import logs
from shared.errors import CharloomError, FieldError, InvalidRequest, NotFound
from web.http.errors import CATALOGUE, Malformed, Unauthorized, UnsupportedMediaType
from web.http.schemas import Problem, WrongValue

#: The errors that Flask finds itself, by status.
_OF_STATUS = {error.status: error for error in reversed(CATALOGUE)}
#: How a key has to be sent (RFC 6750).
_CHALLENGE = 'Bearer realm="charloom"'
_CHALLENGE_WRONG = f'{_CHALLENGE}, error="invalid_token"'
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def install(app: Flask) -> None:
    """Respond to every error of this app in this form, and give every request an id."""
    app.before_request(_set_id)
    app.after_request(_put_id)
    app.teardown_request(_forget_id)
    app.register_error_handler(CharloomError, response_to)
    app.register_error_handler(HTTPException, _of_flask)
    # gunicorn finds a broken chunk only while the body is being read.
    app.register_error_handler(ParseException, _of_broken_body)


def request_id() -> str:
    """Return the id of this request in responses and in the log."""
    if "request_id" not in g:
        _set_id()
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
    """Make an error response: JSON for programs, a page for people."""
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
    """Return True if a path is called by programs, False if it is a page."""
    return (path.startswith("/api/") and path != "/api/docs") or path in ("/api", "/healthz", "/readyz", "/metrics")


def _set_id() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _GOOD_ID.fullmatch(given) else secrets.token_hex(8)
    logs.bind(request_id=g.request_id)


def _forget_id(_: BaseException | None) -> None:
    logs.bind(request_id=None)  # the thread serves others next


def _put_id(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id()
    return response


def response_to(error: CharloomError) -> Response:
    """Make the response that reports an error."""
    errors = error.errors if isinstance(error, InvalidRequest) else ()
    response = problem(error.status, code=error.code, detail=error.detail, errors=errors, retry_s=error.retry_s)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = _CHALLENGE_WRONG if error.wrong else _CHALLENGE
    if isinstance(error, UnsupportedMediaType):
        response.headers["Accept-Encoding"] = "identity"  # RFC 9110, section 15.5.16
    return response


def _of_flask(error: HTTPException) -> Response:
    status = error.code or 500
    if known := _OF_STATUS.get(status):
        response = problem(status, code=known.code, detail=_hint() if status == 404 else known.message())
    else:
        code = http.HTTPStatus(status).phrase.lower().replace(" ", "_")
        response = problem(status, code=code, detail=error.description or error.name)
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _hint() -> str:
    """Return what to say of an unknown address: addresses are exact, without doubled or trailing slashes."""
    exact = re.sub("//+", "/", request.path).rstrip("/")
    if exact == request.path or not exact:
        return NotFound.message()
    try:
        current_app.url_map.bind("").match(exact, method=request.method)
    except HTTPException:
        return NotFound.message()
    return f"There is nothing at this address, but at {exact}: no slash is doubled, and none ends an address."


def _of_broken_body(_: ParseException) -> Response:
    return response_to(Malformed())


def _encodable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 can't hold, by escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
