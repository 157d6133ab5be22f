"""Jobs: list them, watch one, cancel one, read its losses."""

import time

from flask import Response, request

from shared.jobs.events import EventType
from shared.jobs.record import Job
from shared.store import CancelOutcome
from web.http.endpoints import API, ResponseSpec
from web.http.loss_rows import reply_csv, rows_of
from web.http.queries import JobQuery, JobsQuery
from web.http.responses import JSON, etag_of, json_answer, reply, reply_job
from web.http.schemas import Job as JobView
from web.http.schemas import Metric, Page, page_of
from web.services import Services, services
from web.streaming import shutdown
from web.submission import cancellation

api = API("jobs")

#: Seconds after which a waiting call looks at the record itself: its events may be gone with an emptied Redis.
_SLICE_S = 2.0


@api.call(
    "GET", "/jobs", query=JobsQuery, answers={200: json_answer("A page of jobs.", Page[JobView])}, problems=(422,)
)
def list_jobs(query: JobsQuery) -> Response:
    """List the jobs by time, filtered by type, status and model."""
    found = services().store.jobs.page(
        types=query.type,
        statuses=query.status,
        model_id=query.model_id,
        after=query.after,
        limit=query.limit,
        newest_first=query.order == "desc",
    )
    return reply(page_of([JobView.of(job) for job in found.jobs], has_more=found.has_more))


@api.call(
    "GET",
    "/jobs/<job_id>",
    query=JobQuery,
    headers={"If-None-Match": "An ETag: 304 where the job hasn't changed."},
    answers={
        200: json_answer("The job.", JobView, "ETag", "Retry-After"),
        304: ResponseSpec(description="It has not changed.", headers=("ETag", "Retry-After")),
    },
    problems=(404, 422),
)
def get_job(job_id: str, query: JobQuery) -> Response:
    """Get a job; with a wait, when it ends or the time is up."""
    here = services()
    if spelled := here.answers.find(job_id):
        response, etag = Response(spelled.body, content_type=JSON), spelled.etag
        response.set_etag(etag)
    else:
        job = _wait_for(here, job_id, query.wait) if query.wait else here.store.jobs.get(job_id)
        response, etag = reply_job(job), etag_of(job)
        here.answers.keep(job, etag=etag, body=response.get_data())
    if "If-None-Match" in request.headers and request.if_none_match.contains(etag):
        response.status_code = 304
        response.set_data(b"")
        del response.headers["Content-Type"], response.headers["Content-Length"]
    return response


@api.call(
    "POST",
    "/jobs/<job_id>/cancel",
    answers={
        200: json_answer("It is cancelled, or was being cancelled already.", JobView),
        202: json_answer("It is being cancelled.", JobView, "Retry-After"),
    },
    problems=(404, 409),
)
def cancel_job(job_id: str) -> Response:
    """Cancel a job. A queued one ends at once; a running one as soon as its worker sees it."""
    outcome = cancellation.cancel(services(), job_id)
    return reply_job(services().store.jobs.get(job_id), 202 if outcome is CancelOutcome.CANCELLING else 200)


@api.call(
    "GET",
    "/jobs/<job_id>/metrics",
    headers={"Accept": "text/csv for a table."},
    answers={
        200: ResponseSpec(
            description="Every loss measured.", content={"application/json": Page[Metric], "text/csv": str}
        )
    },
    problems=(404,),
)
def list_metrics(job_id: str) -> Response:
    """List every loss measured, in nats per character: JSON, or CSV by Accept: text/csv."""
    jobs = services().store.jobs
    jobs.get(job_id)
    rows = rows_of(jobs.metrics(job_id))
    if request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv":
        response = reply_csv(rows, job_id)
    else:
        response = reply(page_of(rows, key=None))
    response.headers["Vary"] = "Accept"
    return response


def _wait_for(here: Services, job_id: str, seconds: float) -> Job:
    """Return the job when it has ended or the time is up, at once where no place for waiting is left. Raises NotFound.

    A process that is to end lets nobody wait either.
    """
    deadline = time.monotonic() + seconds
    job, last = here.store.jobs.watched(job_id)
    if job.ended or not here.slots.take():
        return job
    try:
        with here.feeds.watch(job_id, after=last, only=EventType.DONE) as feed:
            while not job.ended and not shutdown.closing.is_set() and (left := deadline - time.monotonic()) > 0:
                feed.wait(after=last, timeout_s=min(left, _SLICE_S))
                job = here.store.jobs.get(job_id)
        return job
    finally:
        here.slots.give_back()
