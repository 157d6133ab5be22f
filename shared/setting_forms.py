"""The forms of settings' values: functions that return a value, or raise ValueError with a message for its owner."""

import base64
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from shared import redis_address
from shared.networks import parse_networks

#: The form of a webhook's secret, as Standard Webhooks has it: 24 to 64 bytes in base64.
WEBHOOK_KEY_PATTERN = (
    "^whsec_(?:(?:[A-Za-z0-9+/]{4}){8,20}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
    "|(?:[A-Za-z0-9+/]{4}){21}(?:[A-Za-z0-9+/]{2}==)?)$"
)
#: Least length of what signs sessions and forms, characters.
MIN_SECRET_CHARS = 32
_PERIODS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


def split(value: object) -> object:
    """Split a comma-separated list; leave other values alone."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def is_redis(url: SecretStr) -> SecretStr:
    """Return an address of Redis. Raises ValueError."""
    redis_address.check(url.get_secret_value())
    return url


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often something may be done."""

    calls: int
    period_s: float
    #: As it was set, in words.
    text: str

    @classmethod
    def parse(cls, value: str) -> "Rate":
        """Return the rate of a setting such as 60/minute. Raises ValueError."""
        calls, _, period = value.partition("/")
        if not (calls.isascii() and calls.isdigit() and 0 < int(calls) <= 1_000_000 and period in _PERIODS_S):
            raise ValueError("must be a whole number, a slash, and second, minute, hour or day, such as 60/minute")
        return cls(calls=int(calls), period_s=_PERIODS_S[period], text=f"{int(calls):,} times a {period}")


def is_rate(value: str | None) -> str | None:
    """Return a rate. Raises ValueError."""
    if value is not None:
        Rate.parse(value)
    return value


def are_networks(values: list[str]) -> list[str]:
    """Return networks. Raises ValueError."""
    parse_networks(values)
    return values


def check_webhook_secret(secret: SecretStr) -> SecretStr:
    """Return the secret of a webhook. Raises ValueError where it has another form."""
    try:
        webhook_key(secret.get_secret_value())
    except ValueError as exc:
        raise ValueError("must be whsec_ followed by 24 to 64 bytes in base64") from exc
    return secret


def webhook_key(secret: str) -> bytes:
    """Return the bytes of a secret in the form of Standard Webhooks, whsec_…. Raises ValueError."""
    head, _, encoded = secret.partition("_")
    key = base64.b64decode(encoded, validate=True)
    if head != "whsec" or not 24 <= len(key) <= 64:
        raise ValueError
    return key


def is_file(path: Path) -> Path:
    """Return the path of a file that can be read. Raises ValueError."""
    try:
        path.open("rb").close()
    except OSError as exc:
        raise ValueError(f"can't be read: {exc.strerror}") from exc
    return path


def is_long(secret: SecretStr) -> SecretStr:
    """Return a secret that is long enough to sign with. Raises ValueError."""
    length = len(secret.get_secret_value())
    if length < MIN_SECRET_CHARS:
        raise ValueError(
            f"has {length} characters, but must have {MIN_SECRET_CHARS} or more. Make one with `openssl rand -hex 32`"
        )
    return secret
