"""A job's events: a stream (SSE) as they happen, or a page of past ones."""

from flask import Response, request

from shared.errors import InvalidRequest
from shared.store.events import is_event_id
from web.api.sse import stream
from web.http.conditional import accepts
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
        "Accept": "text/event-stream for a stream of events as they happen.",
        "Last-Event-ID": "In a stream: continue after this event.",
    },
    responses={
        200: ResponseSpec(
            description="Events: status, progress, metric, sample, text, items, log, done, and reset with the whole "
            "job where some are missing.",
            content={"application/json": Page[Event], "text/event-stream": str},
        ),
        204: ResponseSpec(description="In a stream: the job has ended, and nothing came after that event."),
    },
    problems=(404, 422),
)
def list_events(job_id: str, query: EventsQuery) -> Response:
    """List a job's events, or stream them.

    A page of JSON; with `Accept: text/event-stream` a stream of server-sent events, each with the `id`, the `type` as
    `event` and the `data` of the JSON form. The stream ends after `done`; reconnect with `Last-Event-ID`.
    """
    here = services()
    job = here.store.jobs.get(job_id)
    last = request.headers.get("Last-Event-ID")
    if last is not None and not is_event_id(last):
        raise InvalidRequest.at("/Last-Event-ID", "Last-Event-ID must be an event's id, such as 1764000000000-0.")
    if accepts("text/event-stream"):
        return stream(here, job, after=last or query.after)
    found = here.store.events.read(job_id, after=query.after or "0-0", limit=query.limit)
    response = reply(page_of([Event.of(event) for event in found.events], has_more=found.has_more))
    response.vary.add("Accept")
    return response
