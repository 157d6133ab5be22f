"""The errors that only a web server raises, and the list of all that a response can carry.

They hold the same attributes as those of `shared/errors.py`.
"""

from collections.abc import Sequence

from shared.errors import (
    CharloomError,
    Conflict,
    InvalidRequest,
    KeyReused,
    NewerVersion,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    StoreUnavailable,
    TooLarge,
    TooManyQueued,
    VolumeUnavailable,
)

_RETRY_S = 2


class Malformed(CharloomError):
    """The request can't be read: its body ended early or is malformed."""

    code = "malformed"
    status = 400
    when = "The body ended early, isn't JSON, or can't be read."
    to_do = "Send it as documented for the call; the detail names the place."
    example = "The body is not valid JSON: Expecting value at line 1, column 15."


class Unauthorized(CharloomError):
    """Send a key as Authorization: Bearer, or sign in at /login. The service's operator issues keys."""

    code = "unauthorized"
    status = 401
    when = "The service requires a key, and the request has none or a wrong one."
    to_do = "Send `Authorization: Bearer KEY`; the service's operator issues keys."
    example = "This is not a key of the service."

    def __init__(self, detail: str | None = None, *, wrong: bool = False) -> None:
        super().__init__(detail)
        #: Whether a key was sent, but no valid one.
        self.wrong = wrong


class Forbidden(CharloomError):
    """Requests from there aren't allowed."""

    code = "forbidden"
    status = 403
    when = "The request's `Host` isn't a name of the service, or another site's page tries to change something."
    to_do = "Use a name of the service (`CHARLOOM_ALLOWED_HOSTS`); make changes from programs or its own pages."
    example = (
        "The service is not called 'example.org'. Call it by localhost or 127.0.0.1, or put the name into "
        "CHARLOOM_ALLOWED_HOSTS."
    )


class MethodNotAllowed(CharloomError):
    """This address doesn't support the method; the Allow header lists those it supports."""

    code = "method_not_allowed"
    status = 405
    when = "The address doesn't support the method."
    to_do = "Use one of those in the header `Allow`."


class Timeout(CharloomError):
    """The request didn't arrive in time. Send it again."""

    code = "timeout"
    status = 408
    when = "The request didn't arrive within `CHARLOOM_WEB_STALL_S`."
    to_do = "Send it again, without pauses."


class RequestInProgress(CharloomError):
    """A request with this Idempotency-Key is being carried out. Send it again shortly to get its response."""

    code = "request_in_progress"
    status = 409
    when = "The first request with this `Idempotency-Key` is still being carried out."
    to_do = "Send it again after `Retry-After` seconds; the response is then the first one's."
    retry_s = _RETRY_S


class UriTooLong(CharloomError):
    """The address has more than 4,094 characters; move long values into the body."""

    code = "uri_too_long"
    status = 414
    when = "The address has more than 4,094 characters."
    to_do = "Move long values into the body."


class UnsupportedMediaType(CharloomError):
    """The body is of a type that this call doesn't take."""

    code = "unsupported_media_type"
    status = 415
    when = "The body is of a type, a charset or a content coding that the call doesn't take."
    to_do = "Send `Content-Type: application/json` in UTF-8, uncompressed, or the file as documented for the call."
    example = "Send the body as Content-Type: application/json in UTF-8; this one is text/html."


class RangeNotSatisfiable(CharloomError):
    """The requested range lies outside of the file."""

    code = "range_not_satisfiable"
    status = 416
    when = "The requested range lies outside of the file."
    to_do = "Send it without `Range`; `Content-Range` names the file's size."


class ExpectationFailed(CharloomError):
    """Only 100-continue can be expected."""

    code = "expectation_failed"
    status = 417
    when = "The header `Expect` has another value than `100-continue`."
    to_do = "Leave it out."


class TooManyCalls(CharloomError):
    """Too many calls."""

    code = "too_many_calls"
    status = 429
    when = "The caller calls more often than `CHARLOOM_RATE_LIMIT` allows."
    to_do = "Wait for `Retry-After` seconds."
    example = "You may call 60 times a minute. Call again in 3 s."


class TooManyTries(CharloomError):
    """Too many wrong keys came from this address."""

    code = "too_many_tries"
    status = 429
    when = "Ten different wrong keys came from this address."
    to_do = "Wait for `Retry-After` seconds, and check the key."


class HeadersTooLarge(CharloomError):
    """The headers are too many or too long: at most 100 of 8,190 bytes, 64 KiB together."""

    code = "headers_too_large"
    status = 431
    when = "There are more than 100 headers, one is longer than 8,190 bytes, or all together than 64 KiB."
    to_do = "Send fewer; cookies of other services on this host may be the cause."


class Internal(CharloomError):
    """An internal error; the server's log has it under this request_id."""

    code = "internal"
    status = 500
    when = "An internal error."
    to_do = "Report it with its `request_id`, under which the server's log has it."


class UnknownTransferCoding(CharloomError):
    """The only supported transfer coding is chunked."""

    code = "not_implemented"
    status = 501
    when = "The body comes in a transfer coding other than `chunked`."
    to_do = "Send it with `Content-Length`, or chunked."


class Busy(CharloomError):
    """The maximum number of event streams is open; poll the job, or try again shortly."""

    code = "busy"
    status = 503
    when = "As many event streams are open as `CHARLOOM_WEB_STREAMS` allows."
    to_do = "Send it again after `Retry-After` seconds; poll instead of streaming."
    retry_s = _RETRY_S


class NotReady(CharloomError):
    """Redis or the volume can't be reached."""

    code = "not_ready"
    status = 503
    when = "Redis or the volume can't be reached."
    to_do = "Wait; the detail names what is missing."
    example = "redis: Connection refused"
    retry_s = _RETRY_S


#: Responses before it is known which call is requested: by gunicorn, or where the address has no such method.
BEFORE_A_CALL = (MethodNotAllowed, Timeout, UriTooLong, ExpectationFailed, HeadersTooLarge, UnknownTransferCoding)
#: Every error that a response can carry, by status. The first of a status is what is found by Flask.
CATALOGUE: Sequence[type[CharloomError]] = (
    Malformed,
    Unauthorized,
    Forbidden,
    QuotaExceeded,
    NotFound,
    MethodNotAllowed,
    Timeout,
    Conflict,
    RequestInProgress,
    PreconditionFailed,
    TooLarge,
    UriTooLong,
    UnsupportedMediaType,
    RangeNotSatisfiable,
    ExpectationFailed,
    InvalidRequest,
    KeyReused,
    TooManyCalls,
    TooManyTries,
    TooManyQueued,
    HeadersTooLarge,
    Internal,
    UnknownTransferCoding,
    StoreUnavailable,
    VolumeUnavailable,
    NewerVersion,
    Busy,
    NotReady,
)
