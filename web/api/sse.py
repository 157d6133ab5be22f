"""Server-sent events of one job, as in the HTML standard. Event ids are the store's, so any process can resume them."""

import time
from collections.abc import Callable, Iterator, Sequence

from flask import Response, request

from shared.errors import StoreUnavailable
from shared.jobs.events import EventType
from shared.jobs.record import Job
from shared.store.events import EventPage
from web.http.errors import Busy
from web.http.responses import reply_empty
from web.http.schemas import Job as JobView
from web.security import sessions
from web.services import Services
from web.streaming import shutdown
from web.streaming.event_hub import BATCH, RenderedEvent, serialize

#: What a browser waits before it connects again, ms.
_RETRY = "retry: 3000\n\n"
_PING = ": ping\n\n"
_BEGINNING = "0-0"
_NOTHING = EventPage(events=())
#: Fields of a job in `done`.
_END = {"status", "result", "error"}


def stream(services: Services, job: Job, *, after: str | None) -> Response:
    """Respond with the job's events after an id, or 204 if it has ended and no event follows.

    Raises:
        Busy: as many streams are open as may be.
    """
    if after is not None and job.ended and not services.store.events.read(job.id, after=after, limit=1).events:
        return reply_empty()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Vary": "Accept"}
    if request.method == "HEAD":
        return Response(headers=headers, content_type="text/event-stream")
    if not services.slots.take():
        raise Busy(
            f"{services.slots.places} event streams are open here, the maximum. Poll the job, or try again shortly."
        )
    lines = _lines(services, job, after or _BEGINNING, sessions.lasting())
    response = Response(lines, headers=headers, content_type="text/event-stream")
    # Not in the generator's `finally`: one that was never begun is closed without running it.
    response.call_on_close(services.slots.give_back)
    return response


def _lines(services: Services, job: Job, last: str, may_go_on: Callable[[], bool]) -> Iterator[str]:
    """Yield what is sent, until the job is done, the process ends, or Redis is away (the browser then reconnects).

    Every `ping_s` seconds it is checked whether the stream may continue: its session may be over.
    """
    yield _RETRY
    try:
        with services.event_hub.watch(job.id) as subscription:
            page = services.store.events.read(job.id, after=last, limit=BATCH)
            if job.ended and not page.events:  # a record that was restored from the volume has no events
                yield _whole(job) + serialize(EventType.DONE, JobView.of(job).model_dump(mode="json", include=_END))
                return
            events, behind = _rendered(page)
            pinged = checked = time.monotonic()
            while not shutdown.closing.is_set():
                if time.monotonic() - checked >= services.ping_s:
                    checked = time.monotonic()
                    if not may_go_on():
                        return
                if page.trimmed:
                    yield _whole(services.store.jobs.get(job.id))
                if events:
                    yield "".join(one.text for one in events)
                    last = events[-1].event.id
                    pinged = time.monotonic()
                if any(one.event.type is EventType.DONE for one in events):
                    return
                if time.monotonic() - pinged >= services.ping_s:
                    yield _PING
                    pinged = time.monotonic()
                    found = services.store.jobs.find(job.id)
                    if found is None or (found.ended and services.store.events.last_id(job.id) <= last):
                        return
                page = _NOTHING
                if behind:
                    page = services.store.events.read(job.id, after=last, limit=BATCH)
                    events, behind = _rendered(page)
                else:
                    left_s = pinged + services.ping_s - time.monotonic()
                    events, behind = subscription.wait(after=last, timeout_s=left_s)
    except StoreUnavailable:
        return


def _rendered(page: EventPage) -> tuple[Sequence[RenderedEvent], bool]:
    return [RenderedEvent(event) for event in page.events], page.has_more


def _whole(job: Job) -> str:
    return serialize(EventType.RESET, JobView.of(job).model_dump(mode="json"))
