"""Compression of responses by zstd, br or gzip, as the client prefers: Flask-Compress, and which responses it gets.

BREACH: an attacker who can have a victim's browser send requests, part of which is echoed, and sees the sizes of the
responses, can guess a secret that is compressed together with the echo. So a page that holds a form's token
(`web/pages/csrf.py`) isn't compressed. JSON, CSV, texts and static files hold no secret of the service.
"""

from flask import Flask, Response, g, request
from flask_compress import Compress

_ALGORITHMS = ("zstd", "br", "gzip")
_TYPES = frozenset(
    {
        "application/json",
        "application/problem+json",
        "image/svg+xml",
        "text/css",
        "text/csv",
        "text/html",
        "text/javascript",
        "text/plain",
    }
)
#: Bytes below which a response fits into one packet anyway.
MIN_BYTES = 1400
_UNTOUCHED = (204, 206, 304)


def install(app: Flask) -> None:
    """Compress the responses of this app."""
    app.config.update(
        COMPRESS_REGISTER=False,
        COMPRESS_MIMETYPES=_TYPES,
        COMPRESS_ALGORITHM=_ALGORITHMS,
        COMPRESS_ALGORITHM_STREAMING=_ALGORITHMS,
        COMPRESS_MIN_SIZE=MIN_BYTES,
        COMPRESS_EVALUATE_CONDITIONAL_REQUEST=False,  # web/http/conditional.py does
    )
    extension = Compress(app)

    def compress(response: Response) -> Response:
        if response.mimetype not in _TYPES or response.status_code in _UNTOUCHED or "holds_token" in g:
            return response
        if not any(request.accept_encodings[name] for name in _ALGORITHMS):  # gzip;q=0 isn't taken for what it says
            response.vary.add("Accept-Encoding")
            return response
        response.call_on_close(getattr(response.response, "close", lambda: None))
        return extension.after_request(response)

    app.after_request(compress)


def hold_token() -> None:
    """Mark the current response as one that holds a form's token."""
    g.holds_token = True
