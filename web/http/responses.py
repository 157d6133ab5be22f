"""Responses that several endpoints share, and how they are serialized."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from flask import Response

from shared.jobs.record import Job
from web.http.endpoints import ResponseSpec
from web.http.schemas import Job as JobView
from web.http.schemas import View

JSON = "application/json"

#: What the header `If-None-Match` does.
UNCHANGED = "An ETag: 304 where it still has this one."
#: Seconds after which to ask for a live job again.
RETRY_S = 1


def json_response(description: str, view: Any, *headers: str) -> ResponseSpec:
    """Declare a JSON response."""
    return ResponseSpec(description=description, content={JSON: view}, headers=headers)


def reply(view: View, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Respond with a view as JSON."""
    return Response(view.model_dump_json(), status, headers=dict(headers or {}), content_type=JSON)


def reply_versioned(view: View) -> Response:
    """Respond with a view as JSON, and its ETag."""
    response = reply(view)
    response.set_etag(etag_of_view(view))
    return response


def etag_of_view(view: View) -> str:
    """Return an ETag that changes with anything in a view."""
    return hashlib.sha256(view.model_dump_json().encode()).hexdigest()[:32]


def file_name_of(name: str) -> str:
    """Return a thing's name as one that every file system takes; "" where nothing of it is left."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:80]


def reply_empty(status: int = 204) -> Response:
    """Respond without a body, and so without its type."""
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response


def reply_job(job: Job, status: int = 200) -> Response:
    """Respond with a job, its ETag and, while it is live, Retry-After."""
    response = reply(JobView.of(job), status)
    response.set_etag(etag_of(job))
    if not job.ended:
        response.headers["Retry-After"] = str(RETRY_S)
    return response


def reply_accepted(job: Job) -> Response:
    """Respond that a job is queued."""
    response = reply_job(job, 202)
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return response


def etag_of(job: Job) -> str:
    """Return an ETag that changes with anything in a job's view.

    It contains the status because a record that is rebuilt from the volume counts its revisions from zero.
    """
    return f"{job.revision}-{job.shown_status}-{job.queue_position or 0}"
