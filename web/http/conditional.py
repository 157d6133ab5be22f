"""Conditional, range and negotiated requests by RFC 9110, sections 12 to 14. A handler only gives its response an ETag.

A response that was compressed has an ETag of its own, which Flask-Compress makes by a suffix; requests may name either.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.datastructures import ETags
from werkzeug.http import parse_date, quote_etag
from werkzeug.utils import send_file

from shared.errors import PreconditionFailed
from web.http.problems import response_to

_READING = ("GET", "HEAD")
_SUFFIX = re.compile(r":(?:zstd|br|gzip|deflate)$")
#: A single range of bytes. Any other `Range` is ignored, as section 14.2 allows and for unknown units demands.
_RANGE = re.compile(r"bytes=[ \t]*(?:(\d{1,19})-(\d{1,19})?|-(\d{1,19}))[ \t]*", re.IGNORECASE)


def install(app: Flask) -> None:
    """Evaluate the preconditions of every GET and HEAD of this app."""
    app.after_request(_evaluate)


def check_preconditions(current: Callable[[], str]) -> None:
    """Raise PreconditionFailed unless a change may be made to the version whose ETag `current` returns."""
    if not (request.if_match or request.if_none_match or "If-Match" in request.headers):
        return
    etag = current()
    if _fails(etag, None) or _names(request.if_none_match, etag, weak=True):
        raise PreconditionFailed


def accepts(media_type: str) -> bool:
    """Return True if the client prefers this media type to JSON, which it gets otherwise, whatever else it accepts."""
    return request.accept_mimetypes.best_match(("application/json", media_type)) == media_type


def reply_file(
    path: Path, *, etag: str, mimetype: str, download_name: str | None = None, inline: bool = False
) -> Response:
    """Send a file, or the range of it that is asked for; `inline`: a browser shows it. Raises FileNotFoundError."""
    # Conditions are evaluated here, not by Werkzeug.
    environ = {name: value for name, value in request.environ.items() if not name.startswith("HTTP_IF_")}
    stat = path.stat()
    wanted = _RANGE.fullmatch(environ.pop("HTTP_RANGE", ""))
    if wanted and _may_be_partial(etag, datetime.fromtimestamp(int(stat.st_mtime), UTC)):
        first, last, suffix = wanted.groups()
        if suffix:  # one longer than the file means all of it
            environ["HTTP_RANGE"] = f"bytes=-{min(int(suffix), stat.st_size)}"
        elif not last or int(first) <= int(last):
            environ["HTTP_RANGE"] = f"bytes={first}-{last or ''}"
    return send_file(  # type: ignore[return-value]  # it is of `response_class`
        path,
        environ,
        mimetype=mimetype,
        as_attachment=download_name is not None and not inline,
        download_name=download_name,
        conditional=True,
        etag=etag,
        response_class=Response,
    )


def _evaluate(response: Response) -> Response:
    """Answer 412 or 304 where the preconditions say so, in the order of section 13.2.2."""
    etag, _ = response.get_etag()
    if request.method not in _READING or etag is None or response.status_code not in (200, 206):
        return response
    if _fails(etag, response.last_modified):
        response.close()
        return response_to(PreconditionFailed())
    matched = _names(request.if_none_match, etag, weak=True)
    if "If-None-Match" not in request.headers and response.last_modified is not None:
        since = parse_date(request.headers.get("If-Modified-Since"))
        matched = etag if since is not None and response.last_modified <= since else None
    if matched:
        response.close()
        response.status_code = 304
        response.set_data(b"")
        response.set_etag(matched)
        response.vary.add("Accept-Encoding")
        for name in ("Content-Type", "Content-Length", "Content-Range", "Content-Disposition"):
            response.headers.pop(name, None)
    return response


def _fails(etag: str, last_modified: datetime | None) -> bool:
    """Return True if the request is for another version."""
    if "If-Match" in request.headers:
        return not _names(request.if_match, etag, weak=False)
    until = parse_date(request.headers.get("If-Unmodified-Since"))
    return until is not None and last_modified is not None and last_modified > until


def _names(tags: ETags, etag: str, *, weak: bool) -> str | None:
    """Return the one of a request's ETags that means this version, None if there is none."""
    if tags.star_tag:
        return etag
    given = filter(None, tags.as_set(include_weak=weak))  # Werkzeug reads an empty tag as None
    return next((tag for tag in given if _SUFFIX.sub("", tag) == etag), None)


def _may_be_partial(etag: str, last_modified: datetime) -> bool:
    """Return True if a range may be sent instead of the whole."""
    if request.method != "GET" or _names(request.if_none_match, etag, weak=True):
        return False
    condition = request.headers.get("If-Range")
    if condition is None:
        return True
    if '"' in condition:
        return condition.strip() == quote_etag(etag)
    return parse_date(condition) == last_modified
