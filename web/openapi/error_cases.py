"""Every way in which a call can be refused or fail: its status and code, when it comes, what to do about it.

The OpenAPI document and docs/api.md are made from this table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from web.http.endpoints import Endpoint


def _any(_: Endpoint) -> bool:
    return True


def _none(_: Endpoint) -> bool:
    """Return False: it isn't a call that is answered so, but an address, or whatever comes before a call is known."""
    return False


def _locked(call: Endpoint) -> bool:
    return call.tag != "health"


def _repeatable(call: Endpoint) -> bool:
    return "Idempotency-Key" in call.headers


def _makes_a_job(call: Endpoint) -> bool:
    return call.tag == "orders" and 202 in call.answers


def _not_ready(call: Endpoint) -> bool:
    return call.name == "ready"


def _uses_volume(call: Endpoint) -> bool:
    return call.tag in ("corpora", "models", "orders")


def _uses_redis(call: Endpoint) -> bool:
    return call.tag != "health"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way in which a call doesn't do what was asked."""

    status: int
    #: The short word for programs.
    code: str
    when: str
    to_do: str
    #: What people are told, for instance.
    detail: str
    #: Where the wrong values are, for instance.
    pointers: Sequence[str] = ()
    #: The calls that it can meet.
    meets: Callable[[Endpoint], bool] = field(default=_any)

    def example(self, title: str) -> dict[str, Any]:
        """Return the problem as it is sent."""
        return {
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": "9f86d081884c7d65",
            "errors": [{"pointer": pointer, "detail": self.detail.rstrip(".")} for pointer in self.pointers],
        }


CASES: Sequence[Case] = (
    Case(
        status=400,
        code="malformed",
        when="The body ended early, is no JSON, or can't be read.",
        to_do="Send it as the call says; the detail names the place.",
        detail="The body is not valid JSON: Expecting value at line 1, column 15.",
    ),
    Case(
        status=401,
        code="unauthorized",
        when="The service has keys, and none or a wrong one was shown.",
        to_do="Send `Authorization: Bearer KEY`; the service's operator issues keys.",
        detail="This key doesn't open the service.",
        meets=_locked,
    ),
    Case(
        status=403,
        code="forbidden",
        when="The service was called by a name that isn't its own, or a browser's page from elsewhere wants to write.",
        to_do="Call it by its name (`CHARLOOM_ALLOWED_HOSTS`); write from programs or its own pages.",
        detail="The service is not called 'example.org'. Call it by localhost or 127.0.0.1, or put the name into "
        "CHARLOOM_ALLOWED_HOSTS.",
    ),
    Case(
        status=404,
        code="not_found",
        when="There is nothing of this id, or at this address.",
        to_do="List what there is. An ended job is forgotten after `CHARLOOM_JOB_TTL_DAYS`.",
        detail="There is no model 'mod_01m86z6zv2e5vq8r8b3z3w8k4d'. GET /api/v1/models lists those there are.",
    ),
    Case(
        status=405,
        code="method_not_allowed",
        when="The address doesn't know the method.",
        to_do="Take one of those in the header `Allow`.",
        detail="This address doesn't know the method; the Allow header lists those it knows.",
        meets=_none,
    ),
    Case(
        status=408,
        code="timeout",
        when="The request didn't come in within `CHARLOOM_WEB_STALL_S`.",
        to_do="Send it again, without pauses.",
        detail="The request didn't come in in time. Send it again.",
        meets=_none,
    ),
    Case(
        status=409,
        code="conflict",
        when="It exists, but its state forbids this: a live job uses it, the job has ended, nothing is left to resume.",
        to_do="Read the detail; cancel the job that is named, or leave it.",
        detail="The job has ended already: it succeeded. Nothing is left to cancel.",
    ),
    Case(
        status=413,
        code="too_large",
        when="The body is larger than what is taken.",
        to_do="Send less; the limits are `CHARLOOM_MAX_CORPUS_BYTES` and `CHARLOOM_MAX_MODEL_BYTES`, 2 MiB for JSON.",
        detail="The file is larger than 268,435,456 bytes, the most that is taken here.",
    ),
    Case(
        status=414,
        code="uri_too_long",
        when="The address has more than 4,094 characters.",
        to_do="Put what is long into the body.",
        detail="The address has more than 4,094 characters; put what is long into the body.",
        meets=_none,
    ),
    Case(
        status=415,
        code="unsupported_media_type",
        when="The body is of a type or in an encoding that the call doesn't take.",
        to_do="Send `Content-Type: application/json` in UTF-8, or the file as the call says.",
        detail="Send the body as Content-Type: application/json in UTF-8; this one says text/html.",
    ),
    Case(
        status=416,
        code="range_not_satisfiable",
        when="The range asked for lies outside of the file.",
        to_do="Ask without `Range`, and look at `Content-Length`.",
        detail="The range asked for lies outside of the file.",
    ),
    Case(
        status=417,
        code="expectation_failed",
        when="The header `Expect` names something else than `100-continue`.",
        to_do="Leave it out.",
        detail="Only 100-continue can be expected.",
        meets=_none,
    ),
    Case(
        status=422,
        code="invalid_request",
        when="A value is out of range or doesn't fit, a field is unknown, in the body, the query or a header.",
        to_do="Mend what `errors` points at; each tells value and limit. Nothing was done.",
        detail="epochs is 0, but must be at least 1.",
        pointers=("/epochs",),
    ),
    Case(
        status=422,
        code="idempotency_key_reused",
        when="The `Idempotency-Key` came with another request in the last 24 hours.",
        to_do="Send the first request's body again, or a new key.",
        detail="This Idempotency-Key was sent with another request in the last 24 hours. Send the first one's body "
        "again, or a new key.",
        pointers=("/Idempotency-Key",),
        meets=_repeatable,
    ),
    Case(
        status=429,
        code="too_many_calls",
        when="The caller calls more often than `CHARLOOM_RATE_LIMIT` allows.",
        to_do="Wait for `Retry-After` seconds.",
        detail="You may call 60 times a minute. Call again in 3 s.",
        meets=_locked,
    ),
    Case(
        status=429,
        code="too_many_tries",
        when="Ten different wrong keys came from this address.",
        to_do="Wait for `Retry-After` seconds, and look whether the key is right.",
        detail="Too many wrong keys came from this address.",
        meets=_locked,
    ),
    Case(
        status=429,
        code="too_many_queued",
        when="As many of the caller's jobs wait as `CHARLOOM_MAX_QUEUED` allows.",
        to_do="Send the job when some have begun; `Retry-After` says when to try.",
        detail="10 of your jobs are waiting, and 10 may. Send this one when some have begun.",
        meets=_makes_a_job,
    ),
    Case(
        status=431,
        code="headers_too_large",
        when="There are more than 100 headers, one is longer than 8,190 bytes, or all than 64 KiB.",
        to_do="Send fewer; cookies of other services on this host may be the cause.",
        detail="The headers are too many or too long: at most 100 of 8,190 bytes, 64 KiB together.",
        meets=_none,
    ),
    Case(
        status=500,
        code="internal",
        when="An internal error.",
        to_do="Report it with its `request_id`, under which the server's log has it.",
        detail="Something went wrong inside; the server's log has it under this request_id.",
    ),
    Case(
        status=501,
        code="not_implemented",
        when="The body comes in a transfer coding other than `chunked`.",
        to_do="Send it with `Content-Length`, or chunked.",
        detail="Of the transfer codings only chunked is taken.",
        meets=_none,
    ),
    Case(
        status=503,
        code="store_unavailable",
        when="Redis is away or takes no writes.",
        to_do="Send it again after `Retry-After` seconds, a job with its `Idempotency-Key`.",
        detail="Redis can't serve this now: Connection refused.",
        meets=_uses_redis,
    ),
    Case(
        status=503,
        code="volume_unavailable",
        when="The data volume is away, full or read-only.",
        to_do="Send it again after `Retry-After` seconds; if it persists, tell the service's operator.",
        detail="The data volume can't be written: the disk is full.",
        meets=_uses_volume,
    ),
    Case(
        status=503,
        code="busy",
        when="All places for open streams are taken, or the same request is just being carried out.",
        to_do="Send it again after `Retry-After` seconds; poll instead of streaming.",
        detail="48 event streams are open here, as many as may be. Poll the job, or try again shortly.",
        meets=lambda call: call.tag == "events" or _repeatable(call),
    ),
    Case(
        status=503,
        code="not_ready",
        when="Redis or the volume is away, or no worker is seen.",
        to_do="Wait; the detail names what is missing.",
        detail="worker: none has been seen lately",
        meets=_not_ready,
    ),
)

#: Any call may come from a stranger, hold a query that it doesn't know, meet an internal error, or find a part away.
ALWAYS = (401, 403, 422, 429, 500, 503)


def cases_of(call: Endpoint) -> dict[int, list[Case]]:
    """Return what a call can meet, by status."""
    found: dict[int, list[Case]] = {}
    for case in CASES:
        if case.status in {*call.problems, *ALWAYS} and case.meets(call):
            found.setdefault(case.status, []).append(case)
    return found
