"""Jobs: list, watch and cancel them, read their losses."""

import time

from flask import Response

from shared.jobs.events import EventType
from shared.jobs.record import Job
from shared.store import CancelOutcome
from web.http.conditional import accepts
from web.http.endpoints import API, ResponseSpec
from web.http.loss_rows import reply_csv, rows_of
from web.http.queries import JobQuery, JobsQuery
from web.http.responses import JSON, UNCHANGED, etag_of, json_response, reply, reply_job
from web.http.schemas import Job as JobView
from web.http.schemas import Metric, Page, page_of
from web.services import Services, services
from web.streaming import shutdown
from web.submission import cancellation

api = API("jobs")

#: Seconds after which a waiting call reads the record itself: its events may be gone with an emptied Redis.
_SLICE_S = 2.0


@api.call(
    "GET", "/jobs", query=JobsQuery, responses={200: json_response("A page of jobs.", Page[JobView])}, problems=(422,)
)
def list_jobs(query: JobsQuery) -> Response:
    """List the jobs.

    Newest first, unless `order` says otherwise; filtered by type, status, and model or corpus.
    """
    found = query.read(services().store.jobs)
    return reply(page_of([JobView.of(job) for job in found.jobs], has_more=found.has_more))


@api.call(
    "GET",
    "/jobs/<job_id>",
    query=JobQuery,
    headers={"If-None-Match": UNCHANGED},
    responses={
        200: json_response("The job.", JobView, "ETag", "Retry-After"),
        304: ResponseSpec(description="It has not changed.", headers=("ETag", "Retry-After")),
    },
    problems=(404, 422),
)
def get_job(job_id: str, query: JobQuery) -> Response:
    """Get a job: status, progress, losses, result.

    With `wait`, the response comes when the job ends or the time is up, whichever is first.
    """
    here = services()
    if cached := here.response_cache.find(job_id):
        response = Response(cached.body, content_type=JSON)
        response.set_etag(cached.etag)
    else:
        job = _wait_for(here, job_id, query.wait) if query.wait else here.store.jobs.get(job_id)
        response = reply_job(job)
        here.response_cache.keep(job, etag=etag_of(job), body=response.get_data())
    return response


@api.call(
    "POST",
    "/jobs/<job_id>/cancel",
    responses={
        200: json_response("It is cancelled, or was being cancelled before.", JobView),
        202: json_response("It is being cancelled.", JobView, "Retry-After"),
    },
    problems=(404, 409),
)
def cancel_job(job_id: str) -> Response:
    """Cancel a job.

    A queued one ends at once; a running one as soon as its worker notices, within a second. A training keeps its
    checkpoint and can be resumed; a text keeps what was generated.
    """
    outcome = cancellation.cancel(services(), job_id)
    return reply_job(services().store.jobs.get(job_id), 202 if outcome is CancelOutcome.CANCELLING else 200)


@api.call(
    "GET",
    "/jobs/<job_id>/metrics",
    headers={"Accept": "text/csv for CSV."},
    responses={
        200: ResponseSpec(
            description="Every loss measured.", content={"application/json": Page[Metric], "text/csv": str}
        )
    },
    problems=(404,),
)
def list_metrics(job_id: str) -> Response:
    """List every loss that was measured.

    One row for each epoch, in mean nats per character: JSON, or CSV with `Accept: text/csv`.
    """
    jobs = services().store.jobs
    jobs.get(job_id)
    rows = rows_of(jobs.metrics(job_id))
    response = reply_csv(rows, job_id) if accepts("text/csv") else reply(page_of(rows, key=None))
    response.vary.add("Accept")
    return response


def _wait_for(here: Services, job_id: str, seconds: float) -> Job:
    """Return the job when it has ended or the time is up; at once if no place to wait is left. Raises NotFound.

    Nor does a process that is shutting down let anybody wait.
    """
    deadline = time.monotonic() + seconds
    job, last = here.store.jobs.watched(job_id)
    if job.ended or not here.slots.take():
        return job
    try:
        with here.event_hub.watch(job_id, after=last, only=EventType.DONE) as subscription:
            while not job.ended and not shutdown.closing.is_set() and (left := deadline - time.monotonic()) > 0:
                subscription.wait(after=last, timeout_s=min(left, _SLICE_S))
                job = here.store.jobs.get(job_id)
        return job
    finally:
        here.slots.give_back()
