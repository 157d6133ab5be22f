"""Two to five models side by side: their curves on one plot, the options that differ, texts from the same prompt.

The address holds the models (`ids`) and, once a prompt was sent, the generate jobs (`jobs`).
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from flask import Blueprint, Response, make_response, redirect, render_template, request
from pydantic import TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import FieldError, InvalidRequest
from shared.jobs.record import Job, JobType
from shared.requests.writing import GenerateRequest
from shared.text.vocabulary import Vocabulary, name_characters
from shared.volume import Model
from web.http.validation import check_strings
from web.pages import csrf
from web.pages.form_fields import errors_by_field, fields_of
from web.pages.loss_curve import draw
from web.pages.model_facts import facts_of
from web.pages.model_pages import run_of
from web.pages.passages import Written, written
from web.services import Services, services
from web.submission import generation
from web.submission.submit import submit

blueprint = Blueprint("comparing_page", __name__)

MIN_MODELS, MAX_MODELS = 2, 5
_REQUEST: TypeAdapter[GenerateRequest] = TypeAdapter(GenerateRequest)
_FIELDS = ("temperature", "length", "seed", "unknown_chars")


@dataclass(frozen=True, kw_only=True)
class Column:
    """The text of one model."""

    model: Model
    job: Job
    text: Written
    #: The newest event that the text includes.
    after: str


@blueprint.get("/models/compare")
def show() -> AnyResponse:
    """Show the models that the address names; the check boxes of the list send one `id` each."""
    picked = request.args.getlist("id")
    if picked:
        return redirect(_address(picked))
    return _page(services())


@blueprint.post("/models/compare")
def write() -> AnyResponse:
    """Send the same prompt and seed to all models, and return to the page, which shows their texts."""
    here = services()
    typed = {name: value for name, value in csrf.form().items() if name != csrf.FIELD}
    models = _models(here)
    try:
        requests = _requests(models, typed)
        jobs = [submit(here, partial(generation.prepare, here, one)) for one in requests]
    except InvalidRequest as exc:
        return _page(here, typed=typed, errors=errors_by_field(exc), status=422)
    return redirect(_address([model.id for model in models], [job.id for job in jobs]) + "#texts", 303)


def _page(
    here: Services,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    models = _models(here)
    columns = _columns(here, models)
    runs = [run_of(here, model) for model in models]
    drawn = [run for run in runs if run.metrics]
    facts = facts_of(here, models)
    fields = fields_of(GenerateRequest)
    first = columns[0].job.params if columns else {}
    page = render_template(
        "compare.html",
        models=models,
        without={model.id: _address([one.id for one in models if one is not model]) for model in models},
        can_leave=len(models) > MIN_MODELS,
        runs=drawn,
        silent=[run.name for run in runs if not run.metrics and not run.trouble],
        troubles=[run.trouble for run in runs if run.trouble],
        curve=draw(drawn),
        differing=[fact for fact in facts if fact.differs],
        shared=[fact for fact in facts if not fact.differs],
        columns=columns,
        live=any(not column.job.ended for column in columns),
        fields=[fields[name] for name in _FIELDS],
        prompt=fields["prompt"],
        typed=typed if typed is not None else {name: first[name] for name in ("prompt", *_FIELDS) if first.get(name)},
        errors=errors or {},
        here=_address([model.id for model in models]),
    )
    return make_response(page, status)


def _models(here: Services) -> list[Model]:
    """Return the models of the address. Raises InvalidRequest if they are too few or too many, NotFound."""
    ids = list(dict.fromkeys(one for one in request.args.get("ids", "").split(",") if one))
    if not MIN_MODELS <= len(ids) <= MAX_MODELS:
        raise InvalidRequest.at(
            "/ids",
            f"{len(ids)} models were selected; {MIN_MODELS} to {MAX_MODELS} can be compared. Select them in the list.",
        )
    return [here.volume.models.get(one) for one in ids]


def _columns(here: Services, models: Sequence[Model]) -> list[Column]:
    """Return the texts of the jobs of the address that still exist."""
    by_id = {model.id: model for model in models}
    found = (here.store.jobs.find(one) for one in request.args.get("jobs", "").split(",")[:MAX_MODELS] if one)
    jobs = [job for job in found if job is not None and job.type is JobType.GENERATE and job.model_id in by_id]
    columns = []
    for job in jobs:
        events = here.store.events.newest(job.id, limit=here.settings.events_cap)
        texts = written(job, events[::-1])
        if texts:
            after = events[0].id if events else "0-0"
            columns.append(Column(model=by_id[job.model_id], job=job, text=texts[0], after=after))
    return columns


def _requests(models: Sequence[Model], typed: Mapping[str, str]) -> list[GenerateRequest]:
    """Return a request for each model. Raises InvalidRequest, naming each model that can't read the prompt."""
    options = {name: value if name == "prompt" else value.strip() for name, value in typed.items() if value.strip()}
    if "prompt" not in options:
        raise InvalidRequest.at("/prompt", "prompt is empty; all models continue the same one.")
    options.setdefault("seed", str(secrets.randbelow(2**32)))
    requests = [check_strings(_REQUEST, options | {"model_id": model.id}) for model in models]
    errors = [
        FieldError(pointer="/prompt", detail=f"{model.name} never saw {name_characters(unknown)}.")
        for model, one in zip(models, requests, strict=True)
        if one.unknown_chars == "error" and (unknown := _unknown(model, one.prompt or ""))
    ]
    if errors:
        said = " ".join(error.detail for error in errors)
        detail = f"{said} Remove these characters, or choose to drop unknown ones."
        raise InvalidRequest(detail, [FieldError(pointer="/prompt", detail=detail)])
    return requests


def _unknown(model: Model, text: str) -> str:
    return Vocabulary(model.vocabulary).unknown(generation.fitted_to(model, text))


def _address(ids: Sequence[str], jobs: Sequence[str] = ()) -> str:
    return f"/models/compare?ids={','.join(ids)}" + (f"&jobs={','.join(jobs)}" if jobs else "")
