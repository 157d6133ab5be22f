"""Settings that must be equal on all hosts, and which hosts differ in them."""

import hashlib
from collections.abc import Iterator, Mapping

from pydantic import SecretStr

from shared.settings import PREFIX, Settings

#: Worker and web server would contradict each other where these differ: where the volume is, when a job is lost, given
#: up or deleted, which files others can read, how a webhook's message is signed.
COMMON = (
    "volume_url",
    "umask",
    "webhook_secret",
    "webhook_allow",
    "lease_ttl_s",
    "stall_s",
    "volume_wait_s",
    "max_attempts",
    "job_ttl_days",
    "events_cap",
)


def common_values(settings: Settings) -> Mapping[str, str]:
    """Return these settings as text, a secret by the start of its hash."""
    values = {}
    for name in COMMON:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            digest = hashlib.sha256(value.get_secret_value().encode()).hexdigest()
            value = f"a secret with the SHA-256 {digest[:8]}…"
        if isinstance(value, int | float):
            value = f"{value:g}"  # a default may be 10 where a setting is 10.0
        values[name] = str(value) if value else "not set"
    return values


def differences(reported: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Describe each of these settings that isn't equal everywhere.

    Args:
        reported: what each host has, by its name. One of an older version reports nothing, or fewer settings.
    """
    for name in COMMON:
        having: dict[str, list[str]] = {}
        for host, values in reported.items():
            if name in values:
                having.setdefault(values[name], []).append(host)
        if len(having) > 1:
            parts = [f"{value} on {', '.join(sorted(hosts))}" for value, hosts in sorted(having.items())]
            yield f"{PREFIX}{name.upper()} is {'; '.join(parts)}"
