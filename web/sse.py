"""Server-sent events of one job, as the HTML standard has them. Ids are the store's, so any process resumes them."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import Response, request

from shared.errors import StoreUnavailable
from shared.events import EventType, StoredEvent
from shared.jobs import Job
from web import shutdown
from web.api.answers import reply_empty
from web.parts import Parts
from web.problems import Busy
from web.views import Job as JobView

#: Longest wait in Redis before a look at whether this process ends, seconds.
_SLICE_S = 0.5
#: Events fetched at once. The store keeps at least as many, so only a full batch can have something missing before it.
_BATCH = 100
#: What a browser waits before it connects again, ms.
_RETRY = "retry: 3000\n\n"
_PING = ": ping\n\n"
_BEGINNING = "0-0"
#: What `done` tells of a job.
_END = {"status", "result", "error"}


def stream(parts: Parts, job: Job, *, after: str | None) -> Response:
    """Answer with the job's events after an id, or 204 where it has ended and nothing came after that.

    Raises:
        Busy: as many streams are open as may be.
    """
    if after is not None and job.ended and not parts.store.events.read(job.id, after=after, limit=1).events:
        return reply_empty()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"}
    if request.method == "HEAD":
        return Response(headers=headers, content_type="text/event-stream")
    if not parts.slots.take():
        raise Busy(
            f"{parts.slots.places} event streams are open here, as many as may be. Poll the job, or try again shortly."
        )
    response = Response(_lines(parts, job, after or _BEGINNING), headers=headers, content_type="text/event-stream")
    # Not in the generator's `finally`: one that was never begun is closed without running it.
    response.call_on_close(parts.slots.give_back)
    return response


def _lines(parts: Parts, job: Job, last: str) -> Iterator[str]:
    """Yield what is sent, until the job is done, the process ends, or Redis is away (the browser then comes back)."""
    yield _RETRY
    try:
        page = parts.store.events.read(job.id, after=last, limit=_BATCH)
        if job.ended and not page.events:  # a record that was put back from the volume has no events
            yield _whole(job) + spell(EventType.DONE, JobView.of(job).model_dump(mode="json", include=_END))
            return
        if page.trimmed:
            yield _whole(parts.store.jobs.get(job.id))
        events = page.events
        pinged = time.monotonic()
        while not shutdown.closing.is_set():
            if events:
                yield "".join(spell(event.type, event.data, event_id=event.id) for event in events)
                last = events[-1].id
                pinged = time.monotonic()
            if any(event.type is EventType.DONE for event in events):
                return
            if time.monotonic() - pinged >= parts.ping_s:
                yield _PING
                pinged = time.monotonic()
                found = parts.store.jobs.find(job.id)
                if found is None or (found.ended and parts.store.events.last_id(job.id) <= last):
                    return
            events, trimmed = _next(parts, job.id, last, min(_SLICE_S, parts.ping_s))
            if trimmed:
                yield _whole(parts.store.jobs.get(job.id))
    except StoreUnavailable:
        return


def _next(parts: Parts, job_id: str, last: str, timeout_s: float) -> tuple[Sequence[StoredEvent], bool]:
    """Return the next events, and whether some before them are gone."""
    events = parts.store.events.wait(job_id, after=last, timeout_s=timeout_s, limit=_BATCH)
    if len(events) < _BATCH:
        return events, False
    page = parts.store.events.read(job_id, after=last, limit=_BATCH)
    return page.events, page.trimmed


def _whole(job: Job) -> str:
    return spell(EventType.RESET, JobView.of(job).model_dump(mode="json"))


def spell(kind: EventType, data: Mapping[str, Any], *, event_id: str | None = None) -> str:
    """Spell one event. JSON has no bare line end, so its data is one line."""
    head = f"id: {event_id}\n" if event_id is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"
