"""Who may send jobs of high priority. The store orders them (docs/adr/0034-quotas-and-priorities.md)."""

from shared.errors import InvalidRequest
from shared.requests.fields import Priority
from shared.settings import PREFIX
from web.security.callers import let_in_by
from web.services import Services


def check_priority(services: Services, priority: Priority) -> None:
    """Raise InvalidRequest if the current caller may not send jobs of this priority."""
    key, allowed = let_in_by(), services.settings.high_priority
    if priority != "high" or "*" in allowed or (key is not None and key.name in allowed):
        return
    who = f"The key {key.name}" if key is not None else "Callers without a key"
    raise InvalidRequest.at(
        "/priority",
        f"{who} may not send jobs of priority high, but normal and low. {PREFIX}HIGH_PRIORITY names who may.",
    )
