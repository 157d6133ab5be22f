"""What is odd in a text, and cleaning it: the text itself never changes, a cleaned one is new."""

from functools import partial

from flask import Response

from shared.jobs.record import Job
from shared.requests.cleaning import CleanRequest
from shared.volume import corpus_findings
from web.api.corpus_edits import api
from web.http.finding_schemas import Cleaning, Findings
from web.http.responses import json_response, reply, reply_accepted
from web.http.schemas import Job as JobView
from web.openapi.examples import CLEAN
from web.services import services
from web.submission import cleaning
from web.submission.idempotency import HEADER, submit_once

__all__ = ["api"]


@api.call(
    "GET",
    "/corpora/<corpus_id>/findings",
    responses={
        200: json_response("The findings.", Findings),
        202: json_response("The job that examines the text.", JobView, "Location", "Retry-After", "ETag"),
    },
    problems=(404, 409),
)
def get_findings(corpus_id: str) -> Response:
    """Get what is odd in a text.

    What it is, where, what it costs, and which remedy fixes it. A text is examined once, by a job that this call queues
    and answers with; call again once it has ended.
    """
    found = cleaning.findings_or_job(services(), corpus_id)
    if isinstance(found, Job):
        return reply_accepted(found)
    return reply(Findings.model_validate({"corpus_id": corpus_id, "findings": found.findings}))


@api.call(
    "POST",
    "/corpora/<corpus_id>/clean",
    body=CleanRequest,
    examples=CLEAN,
    headers=HEADER,
    responses={
        202: json_response(
            "The queued job that cleans the text; its result has the new corpus.",
            JobView,
            "Location",
            "Retry-After",
            "ETag",
        )
    },
    problems=(400, 404, 409, 413, 415, 422),
)
def clean_corpus(corpus_id: str, body: CleanRequest) -> Response:
    """Clean a text into a new one.

    By the remedies that are named, in their fixed order, or by those that the findings advise. The text itself stays.
    The same remedies applied once more change nothing: then the job's result is the text itself.
    """
    here = services()
    return submit_once(here, partial(cleaning.prepare, here, corpus_id, body), body)


@api.call(
    "GET",
    "/corpora/<corpus_id>/cleaning",
    responses={200: json_response("The remedies and some of their changes.", Cleaning)},
    problems=(404,),
)
def get_cleaning(corpus_id: str) -> Response:
    """Get how a text was cleaned.

    What each remedy did to the text that it was made from, and some of the changes. 404 for a text that was uploaded.
    """
    found = corpus_findings.read_cleaning(services().volume.corpora, corpus_id)
    return reply(Cleaning.model_validate({"corpus_id": corpus_id, **vars(found)}))
