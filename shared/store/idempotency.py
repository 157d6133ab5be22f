"""Requests that have an idempotency key: each makes one job, and each repeat gets the first answer.

The job's id is in the key's record before the job is made. So a request that is repeated after a crash between the two
makes the same job, and making it twice is making it once.
"""

import hashlib
import secrets
from dataclasses import dataclass

from shared.errors import KeyReused
from shared.store.scripts import Scripts

#: A key and its answer are kept this long after the first request, ms.
KEPT_MS = 24 * 3_600_000
#: A request that has given no answer for this long is taken for dead, ms: the next repeat takes it up.
HOLD_MS = 10_000


@dataclass(frozen=True, kw_only=True)
class Begun:
    """The right to carry out a request, as the job with this id."""

    job_id: str
    owner_id: str


class IdempotencyKeys:
    """What became of requests, by their keys. Any method raises StoreUnavailable."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def begin(self, key: str, fingerprint: str, *, job_id: str) -> Begun | str | None:
        """Begin a request, or return the answer it got, or None: it is being carried out now.

        Args:
            key: as the client sent it.
            fingerprint: identifies the request.
            job_id: what its job is called where the key is new.

        Raises:
            KeyReused: the key was sent with another request.
        """
        owner_id = secrets.token_hex(8)
        word, *rest = self._scripts.run("repeat_begin", _name(key), fingerprint, job_id, owner_id, HOLD_MS, KEPT_MS)
        if word == "other":
            raise KeyReused.at("/Idempotency-Key", KeyReused.message())
        if word == "held":
            return None
        return Begun(job_id=rest[0], owner_id=owner_id) if word == "yours" else str(rest[0])

    def answer(self, key: str, answer: str) -> str:
        """Keep the answer to a request and return the one that counts: the first."""
        return str(self._scripts.run("repeat_answer", _name(key), answer)[1])

    def release(self, key: str, begun: Begun, *, forget: bool) -> None:
        """Give up a request; `forget`: nothing was made, so the key may be used for another."""
        self._scripts.run("repeat_release", _name(key), begun.owner_id, int(forget))


def _name(key: str) -> str:
    return hashlib.sha256(key.encode("ascii")).hexdigest()
