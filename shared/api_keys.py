"""The keys that open the service: read once from the setting, kept as hashes, compared in constant time.

A hash is the same on every host and after every start, so that a session begun on one is known on the others. It needs
no salt of its own: a key is long enough that nobody can list all of them.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

#: Least length of a key, and least number of different characters in it: what nobody guesses by trying.
MIN_CHARS, MIN_DIFFERENT = 24, 8
MAX_CHARS = 200
#: What `Authorization: Bearer` can carry (RFC 6750, b64token), so that a key needs no escaping anywhere.
_KEY = re.compile(r"[A-Za-z0-9._~+/-]+=*")
#: No dot and no colon, so that a name is never an address.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_DOMAIN = b"charloom api key"


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """One key, without the key."""

    #: What its owner calls it, "key-N" where it has no name. It may appear in logs and limits; the key may not.
    name: str
    digest: bytes = field(repr=False)


def digest_of(key: str) -> bytes:
    """Return the hash that a key is known by."""
    return hmac.digest(_DOMAIN, key.encode("utf-8", "surrogatepass"), "sha256")


def find(keys: Iterable[ApiKey], presented: str) -> ApiKey | None:
    """Return the key that was presented, or None. Looks at all of them, however early one fits."""
    digest, found = digest_of(presented), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def read(value: object) -> object:
    """Read `key,name:key,…` into a tuple of `ApiKey`. Raises ValueError, which says what is wrong and shows no key."""
    if not isinstance(value, str):
        return value
    entries = [entry for entry in (part.strip() for part in value.split(",")) if entry]
    keys = [_read_one(entry, number) for number, entry in enumerate(entries, start=1)]
    if len({key.name for key in keys}) < len(keys):
        raise ValueError("two keys have one name; give each a name of its own, as name:key")
    if len({key.digest for key in keys}) < len(keys):
        raise ValueError("one key is listed twice; remove one of the two")
    return tuple(keys)


def _read_one(entry: str, number: int) -> ApiKey:
    head, colon, tail = entry.partition(":")
    name, key = (head, tail) if colon else (f"key-{number}", head)
    if not _NAME.fullmatch(name):
        raise ValueError(f"the name of key {number} must have 1 to 40 letters, digits, - or _ before the colon")
    if not MIN_CHARS <= len(key) <= MAX_CHARS:
        raise ValueError(
            f"key {number} has {len(key)} characters, but must have {MIN_CHARS} to {MAX_CHARS}. "
            "Make one with `openssl rand -hex 32`"
        )
    if not _KEY.fullmatch(key):
        raise ValueError(f"key {number} holds a character that a Bearer token can't: letters, digits and ._~+/-= can")
    if len(set(key)) < MIN_DIFFERENT:
        raise ValueError(
            f"key {number} has only {len(set(key))} different characters and could be guessed. "
            "Make one with `openssl rand -hex 32`"
        )
    return ApiKey(name=name, digest=digest_of(key))
