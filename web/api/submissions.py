"""Requests that take a while: train, generate, import, resume. Each creates a job."""

from dataclasses import asdict
from functools import partial

from flask import Response

from shared.requests.options import AnyTrainRequest
from shared.requests.writing import GenerateRequest
from web.http.endpoints import API
from web.http.queries import NameQuery
from web.http.responses import json_response, reply, reply_accepted
from web.http.schemas import Estimate
from web.http.schemas import Job as JobView
from web.http.uploads import multipart, receive
from web.openapi.examples import GENERATE, TRAIN
from web.services import services
from web.submission import generation, importing, resuming, training
from web.submission.idempotency import HEADER, submit_once
from web.submission.submit import submit

api = API("submissions")

_QUEUED = {202: json_response("The queued job.", JobView, "Location", "Retry-After", "ETag")}
_FILE = {
    "multipart/form-data": multipart(
        "A bundle, or a classic .pth file.", name="The model's name; the file's if omitted."
    )
}


@api.call(
    "POST",
    "/train-jobs",
    body=AnyTrainRequest,
    examples=TRAIN,
    headers=HEADER,
    responses=_QUEUED,
    problems=(400, 409, 413, 415, 422),
)
def create_train_job(body: training.Training) -> Response:
    """Train a model on a corpus.

    Omitted options are chosen to suit the text and the time, or are the recipe's defaults; options that are given and
    don't fit are refused.
    """
    here = services()
    return submit_once(here, partial(training.prepare, here, body), body)


@api.call(
    "POST",
    "/estimates",
    body=AnyTrainRequest,
    examples=TRAIN,
    responses={200: json_response("The estimate.", Estimate)},
    problems=(400, 413, 415, 422),
)
def estimate_training(body: training.Training) -> Response:
    """Estimate a training: parameters, steps, seconds, memory.

    The body is that of POST /train-jobs and is refused where that would be; nothing is queued. The time is that of the
    slowest worker now seen, without waiting in the queue.
    """
    here = services()
    resolved = training.resolve(here, body, seed=0)
    estimate = training.estimate_training(here, resolved)
    return reply(Estimate.model_validate(asdict(estimate) | {"starting_point": resolved.starting_point}))


@api.call("POST", "/jobs/<job_id>/resume", headers=HEADER, responses=_QUEUED, problems=(404, 409, 422))
def resume_job(job_id: str) -> Response:
    """Resume a training that failed or was cancelled.

    A new job with the same options continues from the last checkpoint, as if nothing had happened in between; its
    parent_id is the old job's id. 409 if that is impossible: the old job is no training, hasn't ended or has succeeded,
    or its corpus or its checkpoint is gone.
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
    responses=_QUEUED,
    problems=(400, 409, 413, 415, 422),
)
def create_generate_job(body: GenerateRequest) -> Response:
    """Generate text with a model.

    Without a prompt, the seed chooses a passage of the model's corpus. The seed is always in the result.
    """
    here = services()
    return submit_once(here, partial(generation.prepare, here, body), body)


@api.call("POST", "/models/import", raw_body=_FILE, query=NameQuery, responses=_QUEUED, problems=(400, 413, 415, 422))
def import_model(query: NameQuery) -> Response:
    """Import a model from a file.

    A bundle that was downloaded before, or a .pth file in the seed document's format. It is never unpickled.
    """
    here = services()
    upload = receive(limit=here.settings.max_model_bytes, name=query.name)
    return reply_accepted(submit(here, partial(importing.prepare, here, upload), upload=upload))
