"""Ids: opaque, sortable by time of making, their kind in front (`cor_`, `job_`, `mod_`, `vol_`).

10 characters of milliseconds since 1970 and 16 random ones follow the prefix, in lower-case Crockford base32, so that
plain string order is order of time. Ids of one process within one millisecond are made to ascend.
"""

import re
import secrets
import threading
import time

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PATTERN = re.compile(r"(cor|job|mod|vol)_[0-9a-hjkmnp-tv-z]{26}")


class _Ascending:
    """Numbers of time and chance, each above the one before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        with self._lock:
            self._last = max((time.time_ns() // 1_000_000 << 80) | secrets.randbits(80), self._last + 1)
            return self._last


_numbers = _Ascending()


def new_id(kind: str) -> str:
    """Make an id of `kind` ("cor", "job", "mod" or "vol") that sorts after every earlier one of this process."""
    return f"{kind}_{_encode(_numbers.next())}"


def fixed_id(kind: str, digest: bytes) -> str:
    """Make an id from a digest, always the same one; it sorts before every id that was made at a time."""
    return f"{kind}_{_encode(int.from_bytes(digest[:10], 'big'))}"


def is_id(text: str, kind: str) -> bool:
    """Return True if `text` has the form of an id of `kind`. Whatever passes is safe as a file name and a key."""
    return _PATTERN.fullmatch(text) is not None and text.startswith(f"{kind}_")


def made_ms(an_id: str) -> int:
    """Return when an id was made, milliseconds since 1970 on its maker's clock."""
    return _value(an_id) >> 80


def seed_of(job_id: str) -> int:
    """Return the seed of a job that was sent without one, from the chance in its id: made twice, it is the same job."""
    return _value(job_id) & 0xFFFFFFFF


def model_id_of(job_id: str) -> str:
    """Return the id of the model that a train or import job makes: a target that exists means it is done."""
    return f"mod_{job_id.removeprefix('job_')}"


def corpus_id_of(job_id: str) -> str:
    """Return the id of the corpus that a job makes: one that exists means it is done."""
    return f"cor_{job_id.removeprefix('job_')}"


def _value(an_id: str) -> int:
    value = 0
    for digit in an_id.partition("_")[2]:
        value = value << 5 | _DIGITS.index(digit)
    return value


def _encode(value: int) -> str:
    return "".join(_DIGITS[value >> shift & 31] for shift in range(125, -1, -5))
