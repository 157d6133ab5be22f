"""A job's events: as they happen (SSE), or a page of those that have."""

from flask import Response, request

from shared.errors import InvalidRequest
from shared.store.events import is_event_id
from web.api.sse import stream
from web.http.endpoints import API, ResponseSpec
from web.http.queries import EventsQuery
from web.http.responses import reply
from web.http.schemas import Event, Page, page_of
from web.services import services

api = API("events")


@api.call(
    "GET",
    "/jobs/<job_id>/events",
    query=EventsQuery,
    headers={
        "Accept": "text/event-stream for events as they happen.",
        "Last-Event-ID": "With a stream: go on after this event.",
    },
    answers={
        200: ResponseSpec(
            description="Events: status, progress, metric, sample, text, log, done, and reset with the whole job where "
            "some are missing.",
            content={"application/json": Page[Event], "text/event-stream": str},
        ),
        204: ResponseSpec(description="With a stream: the job has ended, and nothing came after that event."),
    },
    problems=(404, 422),
)
def list_events(job_id: str, query: EventsQuery) -> Response:
    """Watch a job, or list what has happened to it."""
    here = services()
    job = here.store.jobs.get(job_id)
    last = request.headers.get("Last-Event-ID")
    if last is not None and not is_event_id(last):
        raise InvalidRequest.at("/Last-Event-ID", "Last-Event-ID must be an event's id, such as 1764000000000-0.")
    if "text/event-stream" in request.headers.get("Accept", ""):
        return stream(here, job, after=last or query.after)
    found = here.store.events.read(job_id, after=query.after or "0-0", limit=query.limit)
    response = reply(page_of([Event.of(event) for event in found.events], has_more=found.has_more))
    response.headers["Vary"] = "Accept"
    return response
