"""How much a caller may store: checked before a text is kept, and before a job that makes a text or a model is queued.

A caller is an API key; without keys all callers are one, and everything on the volume counts. Jobs reserve what they
will make, by an estimate of its size, until they end. Of two uploads at one time both may pass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypedDict

from shared.errors import QuotaExceeded
from shared.jobs.record import NewJob
from shared.settings import PREFIX, Settings
from shared.sizes import size
from shared.store import Reserved
from shared.volume.usage import Stored
from web.security.callers import let_in_by
from web.services import Services

#: What is counted: its name in the store, and in the settings and records.
_NAMES = {"text": "texts", "model": "models", "bytes": "bytes"}
_TO_DO = "Delete texts or models that you no longer need, or ask the operator for more."


class Keeping(TypedDict):
    """What `Corpora.add` needs to know of the caller."""

    owner: str
    check: Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Used:
    """How much of something a caller has."""

    stored: int
    #: What live jobs of theirs will make.
    reserved: int
    #: None: any number.
    limit: int | None

    def fits(self, more: int) -> bool:
        """Return True if so much more may be stored."""
        return self.limit is None or self.stored + self.reserved + more <= self.limit


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a caller stores and may store."""

    #: The name of their key; "" without keys.
    owner: str
    texts: Used
    models: Used
    bytes: Used


def owner() -> str:
    """Return the owner of what the current caller makes: the name of their key, "" without keys."""
    key = let_in_by()
    return "" if key is None else key.name


def usage(services: Services) -> Usage:
    """Return the current caller's figures. Raises StoreUnavailable, VolumeUnavailable."""
    stored, reserved = _stored(services, owner()), services.store.jobs.reserved(owner())
    used = {name: _used(services.settings, name, stored, reserved) for name in _NAMES.values()}
    return Usage(owner=owner(), **used)


def shown(services: Services) -> Usage | None:
    """Return the figures for a page; None if there are no quotas."""
    return usage(services) if services.settings.has_quota else None


def keeping(services: Services) -> Keeping:
    """Return the owner of a new text, and the check that it may be kept, which raises QuotaExceeded."""
    return Keeping(owner=owner(), check=partial(_check_text, services))


def room(services: Services, job: NewJob) -> Mapping[str, int]:
    """Return how much the current caller's live jobs may make, as `JobStore.create` takes it."""
    if not job.makes or not services.settings.has_quota:
        return {}
    stored = _stored(services, job.owner)
    limits = {what: _limit(services.settings, name) for what, name in _NAMES.items()}
    return {what: limit - getattr(stored, _NAMES[what]) for what, limit in limits.items() if limit is not None}


def refusal(now: Usage, what: str, more: int) -> QuotaExceeded:
    """Return the error for a caller who would have too much.

    Args:
        now: what they have.
        what: "text", "model" or "bytes".
        more: bytes that they would add.
    """
    name = _NAMES[what]
    found: Used = getattr(now, name)
    setting = f"{PREFIX}QUOTA_{name.upper()} allows {found.limit or 0:,}"
    if what == "bytes":
        whose = "Your texts and models" if now.owner else "All texts and models"
        making = f", {size(found.reserved)} of it in the making" if found.reserved else ""
        has = f"{whose} have {size(found.stored + found.reserved)}{making}, and this would add {size(more)}"
        return QuotaExceeded(f"{has}; {setting} bytes. {_TO_DO}", what=what)
    making = f", {found.reserved} of them in the making" if found.reserved else ""
    whose = "You have" if now.owner else "There are"
    return QuotaExceeded(f"{whose} {found.stored + found.reserved:,} {name}{making}; {setting}. {_TO_DO}", what=what)


def _check_text(services: Services, size_bytes: int) -> None:
    if not services.settings.has_quota:
        return
    now = usage(services)
    for what, used, more in (("text", now.texts, 1), ("bytes", now.bytes, size_bytes)):
        if not used.fits(more):
            raise refusal(now, what, size_bytes)


def _stored(services: Services, whose: str) -> Stored:
    services.volume_guard.check()
    return services.stored.of(whose or None)


def _used(settings: Settings, name: str, stored: Stored, reserved: Reserved) -> Used:
    return Used(stored=getattr(stored, name), reserved=getattr(reserved, name), limit=_limit(settings, name))


def _limit(settings: Settings, name: str) -> int | None:
    limit: int = getattr(settings, f"quota_{name}")
    return limit or None
