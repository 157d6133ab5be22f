"""Submit a job for the caller of the current request: the one way for the API and the pages."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from shared.errors import QuotaExceeded
from shared.ids import new_id
from shared.jobs.record import Job, NewJob
from web.http.problems import request_id
from web.http.uploads import Upload
from web.monitoring.request_spans import request_span
from web.security.callers import caller
from web.services import Services
from web.submission import quotas
from web.submission.enqueue import Submitter

log = logging.getLogger(__name__)

#: Makes the job with the id that it is given; raises Refused where the request can't be carried out.
Prepare: TypeAlias = Callable[[str], NewJob]


def submit(
    services: Services,
    prepare: Prepare,
    *,
    job_id: str | None = None,
    upload: Upload | None = None,
    max_upload_bytes: int | None = None,
) -> Job:
    """Prepare a job, queue it and return its record.

    Args:
        services: where to queue it.
        prepare: makes the job.
        job_id: given when an earlier attempt may have made the job under this id.
        upload: the file of an import or an extraction.
        max_upload_bytes: the most that it may have; None: what a model may have.

    Raises:
        Refused: `prepare` or `Submitter.submit` refused it, QuotaExceeded among them.
    """
    submitter = Submitter(
        store=services.store,
        broker=services.broker,
        volume=services.volume,
        max_upload_bytes=max_upload_bytes or services.settings.max_model_bytes,
        caller=caller(),
        max_queued=services.settings.max_queued,
    )
    span = request_span()
    job = replace(
        prepare(job_id or new_id("job")),
        request_id=request_id(),
        traceparent=span.traceparent,
        owner=quotas.owner(),
    )
    span.set({"charloom.job.id": job.id})
    stream = upload.stream if upload is not None else None
    try:
        record = submitter.submit(job, stream, retried=job_id is not None, room=quotas.room(services, job))
    except QuotaExceeded as exc:
        raise quotas.refusal(quotas.usage(services), exc.what, job.makes_bytes) from exc
    log.info("%s was submitted: %s", job.id, job.type, extra={"job": job.id})
    return record
