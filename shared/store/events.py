"""A job's events: one capped Redis Stream, which can be read from any event on."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from shared.jobs.events import EventType, StoredEvent
from shared.store import keys
from shared.store.connection import Client, translated

#: Seconds for which an alarm's key is kept after its last ring.
_ALARM_KEPT_S = 60


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Some events, oldest first."""

    events: Sequence[StoredEvent]
    #: Events before these were trimmed: some may be missing.
    trimmed: bool = False
    has_more: bool = False


class Alarm:
    """Wakes a waiting thread, so that it can wait for other jobs, too."""

    def __init__(self) -> None:
        self.key = keys.wake(secrets.token_hex(8))
        #: The newest ring that was received.
        self.after = "0-0"


class EventLog:
    """Reads events. They are written by the scripts that change records."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self, job_id: str, *, after: str = "0-0", limit: int = 100) -> EventPage:
        """Return the events after an id, oldest first. Raises StoreUnavailable."""
        # One transaction: events added between two reads would look like events that were trimmed.
        pipeline = self._client.pipeline()
        pipeline.xrange(keys.events(job_id), min=f"({after}", max="+", count=limit + 1)
        pipeline.xinfo_stream(keys.events(job_id))
        with translated():
            entries, stream = pipeline.execute(raise_on_error=False)
            if isinstance(entries, redis.RedisError):
                raise entries
            if isinstance(stream, redis.RedisError):
                if "no such key" not in str(stream):
                    raise stream
                return EventPage(events=())
        first = stream["first-entry"]
        trimmed = stream["entries-added"] > stream["length"] and (not first or order_of(after) < order_of(first[0]))
        return EventPage(events=_stored(entries[:limit]), trimmed=trimmed, has_more=len(entries) > limit)

    def wait_any(
        self, afters: Mapping[str, str], alarm: Alarm, *, timeout_s: float, limit: int = 100
    ) -> Mapping[str, Sequence[StoredEvent]]:
        """Wait for events of any of these jobs, each after an id, or for the alarm; return new events by job."""
        streams = {keys.events(job_id): after for job_id, after in afters.items()} | {alarm.key: alarm.after}
        with translated():
            reply: Any = self._client.xread(streams, count=limit, block=max(1, round(timeout_s * 1000)))  # type: ignore[arg-type]
        received = dict(reply or ())
        if rung := received.pop(alarm.key, None):
            alarm.after = rung[-1][0]
        return {key.removeprefix(keys.LAYOUT["events"]): _stored(entries) for key, entries in received.items()}

    def ring(self, alarm: Alarm) -> None:
        """Wake the thread that waits with this alarm, or is about to."""
        pipeline = self._client.pipeline()
        pipeline.xadd(alarm.key, {"ring": ""}, maxlen=1, approximate=False)
        pipeline.expire(alarm.key, _ALARM_KEPT_S)
        with translated():
            pipeline.execute()

    def newest(self, job_id: str, *, limit: int) -> Sequence[StoredEvent]:
        """Return the newest events, newest first."""
        with translated():
            return _stored(self._client.xrevrange(keys.events(job_id), count=limit) or ())

    def last_id(self, job_id: str) -> str:
        """Return the newest event's id, "0-0" if there is none."""
        with translated():
            entries = self._client.xrevrange(keys.events(job_id), count=1)
        return str(entries[0][0]) if entries else "0-0"


def is_event_id(text: str) -> bool:
    """Return True if `text` has the form of an event id: <ms>-<n>."""
    head, _, tail = text.partition("-")
    return all(part.isascii() and part.isdigit() and len(part) < 20 for part in (head, tail))


def order_of(event_id: str) -> tuple[int, int]:
    """Return an event id as a key for sorting."""
    head, _, tail = event_id.partition("-")
    return int(head), int(tail or 0)


def _stored(entries: Sequence[Any]) -> list[StoredEvent]:
    return [
        StoredEvent(id=entry_id, type=EventType(fields["type"]), data=json.loads(fields["data"]))
        for entry_id, fields in entries
    ]
