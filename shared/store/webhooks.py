"""Webhook messages to deliver: added by the scripts that change jobs, taken and ended by the workers' senders."""

from dataclasses import dataclass, field

from shared.store.scripts import Scripts

#: A message is due again this long after a sender took it, ms, should that one have died: well above a call's time.
HOLD_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message, taken to be delivered."""

    #: The same at each try.
    id: str
    job_id: str
    #: What happened, such as "job.succeeded".
    type: str
    url: str
    #: When it happened, milliseconds since 1970.
    created_ms: int
    #: 1 for the first.
    number_of_try: int
    #: Signs it; None: the service's secret does.
    secret: str | None = field(default=None, repr=False)


class Webhooks:
    """The messages to deliver. Any method raises StoreUnavailable."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def take(self) -> Message | None:
        """Take the message that has been due longest, or return None if there is none."""
        word, *found = self._scripts.run("hook_take", HOLD_MS)
        if word == "none":
            return None
        message_id, job_id, kind, url, created, tries, secret = found
        return Message(
            id=message_id,
            job_id=job_id,
            type=kind,
            url=url,
            created_ms=int(created),
            number_of_try=int(tries),
            secret=secret or None,
        )

    def end(self, message: Message, *, delivered: bool) -> None:
        """Delete a message that was delivered or is dropped."""
        self._scripts.run("hook_end", message.id, "", "delivered" if delivered else "dropped")

    def put_off(self, message: Message, seconds: float) -> None:
        """Let a message that couldn't be delivered be tried again after this time."""
        self._scripts.run("hook_end", message.id, round(seconds * 1000), "put_off")
