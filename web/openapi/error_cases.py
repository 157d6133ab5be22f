"""Which errors each call can respond with. What they say is in `shared/errors.py` and `web/http/errors.py`."""

from collections.abc import Callable, Mapping

from shared import errors
from shared.errors import CharloomError
from web.http.endpoints import Endpoint
from web.http.errors import (
    BEFORE_A_CALL,
    CATALOGUE,
    Busy,
    NotReady,
    RequestInProgress,
    TooManyCalls,
    TooManyTries,
    Unauthorized,
)

#: Any call may be unauthenticated, have a query with unknown fields, meet an internal error, or a part that is away.
ALWAYS = (401, 403, 422, 429, 500, 503)


def _is_public(call: Endpoint) -> bool:
    return call.tag != "health"


def _has_key(call: Endpoint) -> bool:
    return "Idempotency-Key" in call.headers


#: The calls that an error is confined to, among those that name its status.
_CONFINED: Mapping[type[CharloomError], Callable[[Endpoint], bool]] = {
    **dict.fromkeys(BEFORE_A_CALL, lambda _: False),
    Unauthorized: _is_public,
    RequestInProgress: _has_key,
    errors.KeyReused: _has_key,
    TooManyCalls: _is_public,
    TooManyTries: _is_public,
    errors.TooManyQueued: lambda call: call.tag == "submissions" and 202 in call.responses,
    errors.StoreUnavailable: _is_public,
    errors.VolumeUnavailable: lambda call: call.tag in ("corpora", "models", "submissions"),
    errors.NewerVersion: lambda call: call.tag in ("corpora", "models", "jobs", "submissions"),
    Busy: lambda call: call.tag == "events",
    NotReady: lambda call: call.path == "/readyz",
}


def errors_of(call: Endpoint) -> dict[int, list[type[CharloomError]]]:
    """Return what a call can respond with, by status."""
    found: dict[int, list[type[CharloomError]]] = {}
    for error in CATALOGUE:
        if error.status in {*call.problems, *ALWAYS} and (error not in _CONFINED or _CONFINED[error](call)):
            found.setdefault(error.status, []).append(error)
    return found
