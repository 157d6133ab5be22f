"""What is asked for and takes a while: a training, a writing, an import. Each makes a job."""

from functools import partial

from flask import Response

from shared.requests.options import AnyTrainRequest, GenerateRequest
from web.http.endpoints import API
from web.http.queries import NameQuery
from web.http.responses import json_answer, reply, reply_accepted
from web.http.schemas import Estimate
from web.http.schemas import Job as JobView
from web.http.uploads import receive
from web.openapi.examples import GENERATE, TRAIN
from web.services import services
from web.submission import generation, importing, resuming, training
from web.submission.idempotency import HEADER, submit_once
from web.submission.submit import submit

api = API("orders")

_QUEUED = {202: json_answer("The queued job.", JobView, "Location", "Retry-After", "ETag")}
_FILE = {
    "multipart/form-data": {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {
            "file": {"type": "string", "format": "binary", "description": "bundle.zip, or the document's .pth file."},
            "name": {
                "type": "string",
                "maxLength": 200,
                "description": "What to call the model; the file's name else.",
            },
        },
    }
}


@api.call(
    "POST",
    "/train-jobs",
    body=AnyTrainRequest,
    examples=TRAIN,
    headers=HEADER,
    answers=_QUEUED,
    problems=(400, 409, 413, 415, 422),
)
def train(body: training.Training) -> Response:
    """Train a model on a corpus.

    Options left out have the recipe's defaults and shrink to fit a short text; options given that don't fit are
    refused.
    """
    here = services()
    return submit_once(here, partial(training.prepare, here, body), body)


@api.call(
    "POST",
    "/estimates",
    body=AnyTrainRequest,
    examples=TRAIN,
    answers={200: json_answer("What the training would be.", Estimate)},
    problems=(400, 413, 415, 422),
)
def estimate_training(body: training.Training) -> Response:
    """Foretell a training: how large, how many steps, how long.

    The body is that of POST /train-jobs and is refused where that would be; nothing is queued. The time holds for the
    slowest of the workers now seen, so that it holds wherever the job lands, without the time it waits in the queue.
    """
    here = services()
    return reply(Estimate.model_validate(training.estimate_training(here, training.resolve(here, body, seed=0))))


@api.call("POST", "/jobs/<job_id>/resume", headers=HEADER, answers=_QUEUED, problems=(404, 409, 422))
def resume(job_id: str) -> Response:
    """Go on with a training that failed or was cancelled.

    A new job does that, with the same options; its parent_id names the old one. It begins where the old one stood and
    ends as if nothing had happened in between. 409 says why that can't be: it is no training, has not ended, has
    succeeded, or its text or its state is gone.
    """
    here = services()
    old = here.store.jobs.get(job_id)
    return submit_once(here, partial(resuming.prepare, here, old))


@api.call(
    "POST",
    "/generate-jobs",
    body=GenerateRequest,
    examples=GENERATE,
    headers=HEADER,
    answers=_QUEUED,
    problems=(400, 409, 413, 415, 422),
)
def generate(body: GenerateRequest) -> Response:
    """Let a model write.

    Without a prompt the seed chooses a passage of the model's corpus. The seed is always in the result.
    """
    here = services()
    return submit_once(here, partial(generation.prepare, here, body), body)


@api.call("POST", "/models/import", raw_body=_FILE, query=NameQuery, answers=_QUEUED, problems=(400, 413, 415, 422))
def import_model(query: NameQuery) -> Response:
    """Import a model from a bundle, or from a file in the document's format. It is never unpickled."""
    here = services()
    upload = receive(limit=here.settings.max_model_bytes, name=query.name)
    return reply_accepted(submit(here, partial(importing.prepare, here, upload), upload=upload))
