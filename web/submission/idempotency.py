"""The header `Idempotency-Key`: a request that is sent again makes no second job, and gets the first answer.

Only responses that made a job are kept. A refusal made nothing, so a repeated request is examined again.
"""

import hashlib
import json
import re
from contextlib import suppress

from flask import Response, request
from pydantic import BaseModel

from shared.errors import InvalidRequest, Refused, StoreUnavailable
from shared.ids import new_id
from shared.store import Begun
from web.http.errors import RequestInProgress
from web.http.responses import reply_accepted
from web.services import Services
from web.streaming import shutdown
from web.submission.submit import Prepare, submit

NAME = "Idempotency-Key"
#: The header in the OpenAPI document.
HEADER = {
    NAME: 'Any 1 to 255 visible ASCII characters, new for each job, quoted or not: `k` and `"k"` are the same key. '
    "For 24 hours the same request with the same key creates no second job and gets the first response; another "
    "request with that key is refused."
}
#: A key as such, or as a structured header's string (RFC 9651), which the IETF's draft asks for.
_BARE, _QUOTED = re.compile(r"[!#-~][!-~]{0,254}"), re.compile(r'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"')
#: Response headers that are part of the answer.
_KEPT_HEADERS = ("Content-Type", "Location", "Retry-After", "ETag")
#: Seconds between two checks for the answer to a request that another thread carries out, and how many: by then a
#: dead one's hold is over.
_LOOK_S, _MAX_LOOKS = 0.1, 300


def submit_once(services: Services, prepare: Prepare, body: BaseModel | None = None) -> Response:
    """Respond with the job that `prepare` makes, or with the response to the first request with the same key.

    Args:
        services: where answers are kept.
        prepare: makes the job, with the id that it is given.
        body: the request's body; together with the address it identifies the request.

    Raises:
        KeyReused: the key was sent with another request.
        InvalidRequest: the key has another form.
        RequestInProgress: the first sending is still being carried out.
    """
    sent = request.headers.get(NAME)
    if sent is None:
        return reply_accepted(submit(services, prepare))
    key = _parse(sent)
    begun = _begin(services, key, _fingerprint(body))
    if isinstance(begun, str):
        return _spoken(begun, repeated=True)
    try:
        # Made by a try that died before it answered?
        job = services.store.jobs.find(begun.job_id) or submit(services, prepare, job_id=begun.job_id)
        answer = services.store.idempotency_keys.answer(key, _serialized(reply_accepted(job)))
    except BaseException as exc:
        with suppress(StoreUnavailable):  # the hold then ends by itself
            services.store.idempotency_keys.release(key, begun, forget=isinstance(exc, Refused))
        raise
    return _spoken(answer)


def _parse(sent: str) -> str:
    """Return the key that a header holds. Raises InvalidRequest."""
    if _BARE.fullmatch(sent):
        return sent
    if quoted := _QUOTED.fullmatch(sent):
        return re.sub(r"\\(.)", r"\1", quoted[1])
    raise InvalidRequest.at(f"/{NAME}", f"{NAME} must be 1 to 255 visible ASCII characters; quote it to use spaces")


def _begin(services: Services, key: str, fingerprint: str) -> Begun | str:
    """Begin the request or return its first answer, once there is one."""
    job_id = new_id("job")
    for _ in range(_MAX_LOOKS):
        begun = services.store.idempotency_keys.begin(key, fingerprint, job_id=job_id)
        if begun is not None:
            return begun
        if shutdown.closing.wait(_LOOK_S):
            break
    raise RequestInProgress


def _fingerprint(body: BaseModel | None) -> str:
    """Return what two equal requests share: the address, and the body without regard to its formatting."""
    asked = body.model_dump(mode="json", exclude_unset=True) if body is not None else None
    return hashlib.sha256(json.dumps([request.path, asked], sort_keys=True).encode()).hexdigest()


def _serialized(response: Response) -> str:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return json.dumps({"status": response.status_code, "headers": headers, "body": response.get_data(as_text=True)})


def _spoken(answer: str, *, repeated: bool = False) -> Response:
    stored = json.loads(answer)
    response = Response(stored["body"], stored["status"], headers=stored["headers"])
    if repeated:
        response.headers["Idempotent-Replayed"] = "true"
    return response
