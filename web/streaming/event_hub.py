"""One thread that reads Redis for all event streams and long polls of this process.

A blocking read for each of them took a connection, two wake-ups of a thread a second, and the parsing of the same
reply: a hundred were too many. Here one thread reads for all watched jobs at once and publishes what came; each
event is serialized once. A subscriber that missed events, because it began later or is slow, fetches them itself.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from shared.errors import StoreUnavailable
from shared.jobs.events import EventType, StoredEvent
from shared.store import EventLog
from shared.store.events import Alarm, order_of

#: Longest wait in Redis before this process checks whether it is to end, seconds.
_SLICE_S = 0.5
#: Events of one job fetched at once. The store keeps at least as many, so only a full batch can have gaps before it.
BATCH = 100
#: Events kept for a slow subscriber; beyond them it has to fetch what it missed.
_WAITING = 1000
#: Seconds without a read after Redis failed.
_AWAY_S = 0.5
#: Seconds between two checks whether all subscribers have left, at the end.
_LOOK_S = 0.05


@dataclass(frozen=True)
class RenderedEvent:
    """An event, and its form in a stream."""

    event: StoredEvent

    @cached_property
    def text(self) -> str:
        """The serialized event, made once for all streams."""
        return serialize(self.event.type, self.event.data, event_id=self.event.id)


class Subscription:
    """What one subscriber of a job hasn't received yet; events of one type only, if it wants no other."""

    def __init__(self, only: EventType | None = None) -> None:
        self._only = only
        self._changed = threading.Condition()
        self._events: deque[RenderedEvent] = deque()
        self._behind = False
        self._failed = False

    def wait(self, *, after: str, timeout_s: float) -> tuple[Sequence[RenderedEvent], bool]:
        """Wait for events after an id; return them, and whether some are missing and must be fetched.

        Events from before the subscription are missing too, without notice. Nothing is returned if the time is up or
        this process is to end.

        Raises:
            StoreUnavailable: Redis is away.
        """
        with self._changed:
            if not (self._events or self._behind or self._failed):
                self._changed.wait(max(0.0, timeout_s))
            if self._failed:
                raise StoreUnavailable
            events, behind = list(self._events), self._behind
            self._events.clear()
            self._behind = False
        # If some are missing, all are fetched; what is received from now on comes after those, or twice.
        new = [] if behind else [one for one in events if order_of(one.event.id) > order_of(after)]
        return new, behind

    def publish(self, events: Sequence[RenderedEvent], *, gap: bool) -> None:
        """Deliver events; `gap`: some may be missing before them."""
        if self._only is not None:
            events = [one for one in events if one.event.type is self._only]
            if not (events or gap):
                return
        with self._changed:
            if gap or len(self._events) + len(events) > _WAITING:
                self._events.clear()
                self._behind = True
            else:
                self._events.extend(events)
            self._changed.notify_all()

    def fail(self) -> None:
        """Report that Redis is away."""
        with self._changed:
            self._failed = True
            self._changed.notify_all()

    def wake(self) -> None:
        """Wake the subscriber, without an event."""
        with self._changed:
            self._changed.notify_all()


@dataclass(kw_only=True)
class _Watched:
    """A job, how far its events have been read, and its subscribers."""

    last: str
    subscriptions: set[Subscription] = field(default_factory=set)
    #: Its last event was read: nothing follows, so it isn't read any more.
    done: bool = False


class EventHub:
    """The subscriptions of this process. Thread-safe; its thread starts with the first one."""

    def __init__(self, events: EventLog, *, closing: threading.Event) -> None:
        """Make a hub without a thread. When `closing` is set, every subscriber is woken."""
        self._events = events
        self._closing = closing
        self._jobs: dict[str, _Watched] = {}
        self._alarm = Alarm()
        self._changed = threading.Condition()
        #: What the reading thread has asked Redis for last: it must be woken to ask for more.
        self._asked: Mapping[str, str] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def watch(self, job_id: str, *, after: str | None = None, only: EventType | None = None) -> Iterator[Subscription]:
        """Subscribe to a job's events after an id, or from now on; to all of them, or to one type.

        Raises:
            StoreUnavailable: Redis is away.
        """
        subscription = Subscription(only)
        # Where the reading thread starts, if nobody watches the job yet.
        last = self._events.last_id(job_id) if after is None else after
        with self._changed:
            watched = self._jobs.setdefault(job_id, _Watched(last=last))
            if after is not None and order_of(watched.last) > order_of(after):
                subscription.publish((), gap=True)  # what came between was published to others
            watched.subscriptions.add(subscription)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="subscriptions", daemon=True)
                self._thread.start()
            asleep = self._asked is not None and job_id not in self._asked
            self._changed.notify_all()
        if asleep:
            self._events.ring(self._alarm)
        try:
            yield subscription
        finally:
            with self._changed:
                watched = self._jobs[job_id]
                watched.subscriptions.discard(subscription)
                if not watched.subscriptions:
                    del self._jobs[job_id]

    def close(self) -> None:
        """End the reading thread; subscribers get nothing more. The hub can't be used again."""
        with self._changed:
            self._closed = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _loop(self) -> None:
        while not self._closing.is_set():
            with self._changed:
                while not ((asked := self._live()) or self._closed):
                    self._asked = None
                    self._changed.wait()
                if self._closed:
                    return
                self._asked = asked
            try:
                came = self._events.wait_any(asked, self._alarm, timeout_s=_SLICE_S, limit=BATCH)
            except StoreUnavailable:
                self._each(Subscription.fail)
                self._closing.wait(_AWAY_S)
                continue
            for job_id, events in came.items():
                self._publish(job_id, [RenderedEvent(event) for event in events])
        self._see_off()

    def _live(self) -> dict[str, str]:
        """Return the jobs that may have more events, and the last event read of each."""
        return {job_id: watched.last for job_id, watched in self._jobs.items() if not watched.done}

    def _see_off(self) -> None:
        """Wake the subscribers until all have noticed that this process is to end."""
        while True:
            self._each(Subscription.wake)
            with self._changed:
                if not self._jobs:
                    self._thread = None
                    return
            time.sleep(_LOOK_S)

    def _publish(self, job_id: str, events: Sequence[RenderedEvent]) -> None:
        with self._changed:
            watched = self._jobs.get(job_id)
            if watched is None:
                return
            watched.last = events[-1].event.id
            watched.done = events[-1].event.type is EventType.DONE
            subscriptions = list(watched.subscriptions)
        for subscription in subscriptions:
            subscription.publish(events, gap=len(events) >= BATCH)

    def _each(self, what: Callable[[Subscription], None]) -> None:
        with self._changed:
            subscriptions = [subscription for watched in self._jobs.values() for subscription in watched.subscriptions]
        for subscription in subscriptions:
            what(subscription)


def serialize(kind: EventType, data: Mapping[str, Any], *, event_id: str | None = None) -> str:
    """Serialize one event. JSON has no line breaks here, so the data is one line."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
