"""Every error that Charloom raises on purpose.

    CharloomError
    ├── SettingsError            a CHARLOOM_… variable is wrong; the process doesn't start
    ├── Refused                  what was asked for can't be had; the asker can mend it
    │   ├── InvalidRequest       422: a value is out of range or doesn't fit
    │   │   └── UnknownEncoding  a text's encoding can't be told for certain; it has guesses
    │   ├── TooLarge             413: more bytes than the limit
    │   ├── NotFound             404: no such corpus, job or model
    │   ├── Conflict             409: it exists, but its state forbids this
    │   └── TooManyQueued        429: as many of the caller's jobs wait as may
    ├── Unavailable              503: Redis or the volume can't be reached; try again
    │   ├── StoreUnavailable
    │   │   └── RecordGone       Redis was emptied and doesn't know the job yet
    │   └── VolumeUnavailable
    ├── LeaseLost                this attempt no longer owns its job: stop, write nothing more
    └── JobFailed                a job ended badly, with a code and words for the person who sent it
        ├── Diverged             the loss blew up; the last good state is kept
        └── BadModelFile         an imported file isn't a model we can read

A class's docstring is its message when none is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One wrong value: where it stands in the request and what to do about it."""

    #: JSON pointer (RFC 6901) into the request body or the query, such as "/hidden_size".
    pointer: str
    detail: str


class CharloomError(Exception):
    """Something went wrong in Charloom."""

    #: Short stable word for programs; it stands in the API's problem document and in a failed job's error.
    code = "error"

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or " ".join((type(self).__doc__ or "").split())
        super().__init__(self.detail)


class SettingsError(CharloomError):
    """A setting is wrong."""

    code = "settings"


class Refused(CharloomError):
    """The request can't be carried out as it stands."""

    code = "refused"


class InvalidRequest(Refused):
    """A value in the request is not allowed."""

    code = "invalid_request"

    def __init__(self, detail: str | None = None, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)

    @classmethod
    def at(cls, pointer: str, detail: str) -> "InvalidRequest":
        """Make the error for one wrong value, its pointer given."""
        return cls(detail, [FieldError(pointer=pointer, detail=detail)])


class UnknownEncoding(InvalidRequest):
    """The encoding of the text can't be told for certain."""

    def __init__(self, detail: str, guesses: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(detail, [FieldError(pointer="/file", detail=detail)])
        #: Encodings in which the text makes sense, the likeliest first, with some of what it would say.
        self.guesses = tuple(guesses)


class TooLarge(Refused):
    """The body is larger than the limit."""

    code = "too_large"


class NotFound(Refused):
    """Nothing is known under this id."""

    code = "not_found"


class Damaged(NotFound):
    """A file on the data volume is damaged."""


class Conflict(Refused):
    """The state of the thing forbids this now."""

    code = "conflict"


class TooManyQueued(Refused):
    """As many of your jobs are waiting as may. Send this one when some have begun."""

    code = "too_many_queued"
    #: Seconds after which it is worth trying again.
    retry_s = 5


class Unavailable(CharloomError):
    """A part of the service can't be reached just now; try again shortly."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """Redis can't be reached or refuses writes just now; try again shortly."""

    code = "store_unavailable"


class RecordGone(StoreUnavailable):
    """Redis was emptied; the job's record will be put back from the volume."""


class VolumeUnavailable(Unavailable):
    """The data volume can't be read or written just now."""

    code = "volume_unavailable"


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
    """The loss blew up. The last good state is kept. Try a smaller learning_rate, or grad_clip 1."""

    code = "diverged"


class BadModelFile(JobFailed):
    """The file is not a model that Charloom can read."""

    code = "bad_model_file"
