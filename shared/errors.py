"""Every error that Charloom raises on purpose.

    CharloomError
    ├── SettingsError            a CHARLOOM_… variable is wrong; the process doesn't start
    ├── Refused                  the request can't be carried out; the caller can correct it
    │   ├── InvalidRequest       422: a value is out of range or doesn't fit
    │   │   └── KeyReused        422: an idempotency key came with another request
    │   │   └── UnknownEncoding  a text's encoding is uncertain; it lists guesses
    │   ├── TooLarge             413: more bytes than the limit
    │   ├── NotFound             404: no such corpus, job or model
    │   ├── Conflict             409: it exists, but its state forbids this
    │   ├── PreconditionFailed   412: it has changed since the caller read it
    │   ├── TooManyQueued        429: the caller has as many waiting jobs as allowed
    │   └── QuotaExceeded        403: the caller stores as much as allowed
    ├── Unavailable              503: Redis or the volume can't be reached; try again
    │   ├── StoreUnavailable
    │   │   ├── RecordGone       Redis was emptied and doesn't know the job yet
    │   │   └── StoreTooOld      the server lacks commands that Charloom needs
    │   ├── VolumeUnavailable
    │   │   └── VolumeGone       the folder isn't the service's volume, or its server doesn't respond
    │   └── NewerVersion         a record was written by a newer version, which can read it
    ├── LeaseLost                this attempt no longer owns its job: stop, write nothing more
    └── JobFailed                a job failed, with a code and a message for its owner
        ├── Diverged             the loss diverged; the last good state is kept
        ├── BadModelFile         an imported file isn't a model that Charloom can read
        ├── BadSourceFile        no text can be extracted from an uploaded file
        └── CleaningFailed       a text can't be examined or cleaned

`web/http/errors.py` adds those that only a web server raises. A class holds all that is said of an error: status, code,
its message (the docstring, where none is given), when it occurs and what to do about it. The responses, the OpenAPI
document and docs/api.md are made from these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One wrong value: its place in the request and what to do about it."""

    #: JSON pointer (RFC 6901) into the request body or the query, such as "/hidden_size".
    pointer: str
    detail: str


class CharloomError(Exception):
    """Something went wrong in Charloom."""

    #: Short stable word for programs, in a problem document or a failed job's error.
    code = "error"
    #: HTTP status of the response.
    status: ClassVar[int] = 500
    #: When it occurs, and what the caller can do: for the documentation.
    when: ClassVar[str] = ""
    to_do: ClassVar[str] = ""
    #: A message for the documentation, if the docstring isn't a good example.
    example: ClassVar[str] = ""
    #: Seconds after which it is worth trying again; None: it isn't.
    retry_s: int | None = None

    def __init__(self, detail: str | None = None, *, retry_s: int | None = None) -> None:
        self.detail = detail or self.message()
        if retry_s is not None:
            self.retry_s = retry_s
        super().__init__(self.detail)

    @classmethod
    def message(cls) -> str:
        """Return the message of an error that was given none."""
        return " ".join((cls.__doc__ or "").split())


class SettingsError(CharloomError):
    """A setting is wrong."""

    code = "settings"


class Refused(CharloomError):
    """The request can't be carried out."""

    code = "refused"


class InvalidRequest(Refused):
    """A value in the request is not allowed."""

    code = "invalid_request"
    status = 422
    when = "A value in the body, the query or a header is out of range or doesn't fit, or a field is unknown."
    to_do = "Correct what `errors` points at; each entry names value and limit. Nothing was done."
    example = "epochs is 0, but must be at least 1."

    def __init__(self, detail: str | None = None, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)

    @classmethod
    def at(cls, pointer: str, detail: str) -> "InvalidRequest":
        """Make the error for one wrong value, its pointer given."""
        return cls(detail, [FieldError(pointer=pointer, detail=detail)])


class KeyReused(InvalidRequest):
    """This Idempotency-Key was sent with another request in the last 24 hours. Send a new one."""

    code = "idempotency_key_reused"
    when = "The `Idempotency-Key` came with another request in the last 24 hours."
    to_do = "Send the first request's body again, or a new key."
    example = ""


class UnknownEncoding(InvalidRequest):
    """The encoding of the text is uncertain."""

    def __init__(self, detail: str, guesses: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(detail, [FieldError(pointer="/file", detail=detail)])
        #: Encodings in which the text makes sense, the likeliest first, with some of what it would say.
        self.guesses = tuple(guesses)


class TooLarge(Refused):
    """The body is larger than the limit."""

    code = "too_large"
    status = 413
    when = "The body is larger than the limit."
    to_do = "Send less; the limits are `CHARLOOM_MAX_CORPUS_BYTES` and `CHARLOOM_MAX_MODEL_BYTES`, 2 MiB for JSON."
    example = "The file is larger than 268,435,456 bytes, the limit."


class NotFound(Refused):
    """There is nothing at this address. GET /api/openapi.json lists all addresses."""

    code = "not_found"
    status = 404
    when = "No resource has this id, or there is nothing at this address."
    to_do = "List what exists. Ended jobs are deleted after `CHARLOOM_JOB_TTL_DAYS`."
    example = "There is no model 'mod_01m86z6zv2e5vq8r8b3z3w8k4d'. GET /api/v1/models lists all of them."


def no_such(kind: str, given: str) -> str:
    """Return the message for an id that no "corpus" or "model" has."""
    plural = "corpora" if kind == "corpus" else f"{kind}s"
    return f"There is no {kind} {given[:60]!r}. GET /api/v1/{plural} lists all of them."


class Damaged(NotFound):
    """A file on the data volume is damaged."""


class Conflict(Refused):
    """The state of the resource forbids this now."""

    code = "conflict"
    status = 409
    when = "The resource's state forbids this: a live job uses it, the job has ended, nothing is left to resume."
    to_do = "Read the detail; cancel the job that it names, or leave things as they are."
    example = "The job has already ended: it succeeded. There is nothing to cancel."


class PreconditionFailed(Refused):
    """The resource has changed since you read it. Get it again, and send your change with its new ETag."""

    code = "precondition_failed"
    status = 412
    when = "`If-Match` names another version: the resource has changed since it was read."
    to_do = "Get the resource again and send the change with its new `ETag`."


class TooManyQueued(Refused):
    """As many of your jobs are waiting as allowed. Send this one when some have started."""

    code = "too_many_queued"
    status = 429
    when = "As many of the caller's jobs are waiting as `CHARLOOM_MAX_QUEUED` allows."
    to_do = "Send the job when some have started; `Retry-After` says when to try."
    example = "10 of your jobs are waiting, at most 10 may. Send this one when some have started."
    retry_s = 5


class QuotaExceeded(Refused):
    """You store as much as you may. Delete texts or models that you no longer need."""

    code = "quota_exceeded"
    status = 403
    when = "The caller would store more than `CHARLOOM_QUOTA_BYTES`, `…_TEXTS` or `…_MODELS` allow."
    to_do = "Delete texts or models that you no longer need, or ask the operator; `GET /api/v1/usage` has the figures."
    example = (
        "You have 20 models, 2 of them in the making, and CHARLOOM_QUOTA_MODELS allows 20. Delete models that you no "
        "longer need, or ask the operator for more."
    )

    def __init__(self, detail: str | None = None, *, what: str = "") -> None:
        super().__init__(detail)
        #: What is used up: "model", "text" or "bytes".
        self.what = what


class Unavailable(CharloomError):
    """A part of the service can't be reached just now; try again shortly."""

    code = "unavailable"
    status = 503
    retry_s = 2


class StoreUnavailable(Unavailable):
    """Redis can't be reached or refuses writes just now; try again shortly."""

    code = "store_unavailable"
    when = "Redis can't be reached or refuses writes."
    to_do = "Send it again after `Retry-After` seconds, a job with its `Idempotency-Key`."
    example = "Redis can't serve this now: Connection refused."


class RecordGone(StoreUnavailable):
    """Redis was emptied; the job's record will be restored from the volume."""


class StoreTooOld(StoreUnavailable):
    """Redis is too old."""


class VolumeUnavailable(Unavailable):
    """The data volume can't be read or written just now."""

    code = "volume_unavailable"
    when = "The data volume can't be reached, is full or read-only."
    to_do = "Send it again after `Retry-After` seconds; if it persists, inform the service's operator."
    example = "The data volume can't be written: the disk is full."


class VolumeGone(VolumeUnavailable):
    """The folder isn't the service's volume: it isn't mounted, another one is, or its server doesn't respond."""


class NewerVersion(Unavailable):
    """This was written by a newer version of Charloom, which can read it."""

    code = "newer_version"
    when = "During an upgrade: a job, text or model was stored by a newer version, and this server can't read it."
    to_do = "Send it again after `Retry-After` seconds, another server may be newer; if it persists, upgrade this one."
    example = "job.json of job_01m86z6zv2e5vq8r8b3z3w8k4d has version 2; this process knows 1 at most."


class LeaseLost(CharloomError):
    """This attempt no longer owns its job."""

    code = "lease_lost"


class JobFailed(CharloomError):
    """The job failed."""

    code = "job_failed"
    #: Whether the same request may succeed when sent again unchanged.
    retryable = False

    def __init__(self, detail: str | None = None, *, code: str | None = None) -> None:
        super().__init__(detail)
        if code is not None:
            self.code = code


class Diverged(JobFailed):
    """The loss diverged. The last good state is kept. Try a smaller learning_rate, or grad_clip 1."""

    code = "diverged"


class BadModelFile(JobFailed):
    """The file is not a model that Charloom can read."""

    code = "bad_model_file"


class BadSourceFile(JobFailed):
    """No text can be extracted from the file."""

    code = "bad_source_file"


class CleaningFailed(JobFailed):
    """The text can't be examined or cleaned."""

    code = "cleaning_failed"
