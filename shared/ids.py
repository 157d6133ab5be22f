"""Ids: opaque, sortable by time of making, their kind in front (`cor_`, `job_`, `mod_`).

After the prefix stand 10 characters of milliseconds since 1970 and 16 random ones, in lower-case Crockford base32, so
that plain string order is order of time. Ids of one process within one millisecond are made to ascend.
"""

import re
import secrets
import threading
import time

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_PATTERN = re.compile(r"(cor|job|mod)_[0-9a-hjkmnp-tv-z]{26}")
_lock = threading.Lock()
_last = 0


def new_id(kind: str) -> str:
    """Make an id of `kind` ("cor", "job" or "mod") that sorts after every earlier one of this process."""
    global _last
    with _lock:
        value = max((time.time_ns() // 1_000_000 << 80) | secrets.randbits(80), _last + 1)
        _last = value
    return f"{kind}_{_encode(value)}"


def is_id(text: str, kind: str) -> bool:
    """Tell whether `text` has the form of an id of `kind`. Whatever passes is safe as a file name and a key."""
    return _PATTERN.fullmatch(text) is not None and text.startswith(f"{kind}_")


def model_id_of(job_id: str) -> str:
    """Return the id of the model that a train or import job makes: a target that exists means it is done."""
    return f"mod_{job_id.removeprefix('job_')}"


def _encode(value: int) -> str:
    return "".join(_DIGITS[value >> shift & 31] for shift in range(125, -1, -5))
