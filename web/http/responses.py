"""Responses that several endpoints share, and how they are serialized."""

from collections.abc import Mapping
from typing import Any

from flask import Response

from shared.jobs.record import Job
from web.http.endpoints import ResponseSpec
from web.http.schemas import Job as JobView
from web.http.schemas import View

JSON = "application/json"

#: Seconds after which a live job is worth asking for again.
RETRY_S = 1


def json_answer(description: str, view: Any, *headers: str) -> ResponseSpec:
    """Declare an answer of JSON."""
    return ResponseSpec(description=description, content={JSON: view}, headers=headers)


def reply(view: View, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a view as JSON."""
    return Response(view.model_dump_json(), status, headers=dict(headers or {}), content_type=JSON)


def reply_empty(status: int = 204) -> Response:
    """Answer without a body, and so without its type."""
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response


def reply_job(job: Job, status: int = 200) -> Response:
    """Answer with a job, its ETag and, while it lives, Retry-After."""
    response = reply(JobView.of(job), status)
    response.set_etag(etag_of(job))
    if not job.ended:
        response.headers["Retry-After"] = str(RETRY_S)
    return response


def reply_accepted(job: Job) -> Response:
    """Answer that a job is queued."""
    response = reply_job(job, 202)
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return response


def etag_of(job: Job) -> str:
    """Return what changes with everything that is shown of a job.

    The status stands in it since a record that is rebuilt from the volume counts its revisions from the start.
    """
    return f"{job.revision}-{job.shown_status}-{job.queue_position or 0}"
