"""The list of jobs, and the page of one: how it stands, what it has done, what it was asked."""

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request
from pydantic import BaseModel, TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import Conflict
from shared.events import EventType
from shared.jobs import Job, JobType, Status
from shared.requests import ClassicRequest, GenerateRequest, StreamRequest
from web import resuming
from web.pages import csrf
from web.pages.curve import draw
from web.pages.words import KINDS, STATES
from web.pages.written import written
from web.parts import parts
from web.queries import JobsQuery
from web.refusals import check_strings
from web.views import Metric

blueprint = Blueprint("jobs_page", __name__)

_QUERY: TypeAdapter[JobsQuery] = TypeAdapter(JobsQuery)
#: Samples and lines of what happened that are shown, the newest.
_SAMPLES, _LINES = 30, 40
#: Events of a training among which those lines are looked for, the newest: minutes of its progress.
_LOOK_BACK = 1000


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One filter of the list, as a link."""

    name: str
    address: str
    chosen: bool


@blueprint.get("/jobs")
def show_list() -> str:
    """List the jobs that the address asks for."""
    here = parts()
    query: JobsQuery = check_strings(_QUERY, {name: value for name, value in request.args.items() if value})
    page = here.store.jobs.page(
        types=query.type,
        statuses=query.status,
        model_id=query.model_id,
        after=query.after,
        limit=query.limit,
        newest_first=query.order == "desc",
    )
    live = any(not job.ended for job in page.jobs)
    return render_template(
        "jobs.html",
        jobs=page.jobs,
        live=live,
        query=query,
        types=_filters("type", [(kind.value, KINDS[kind]) for kind in JobType]),
        statuses=_filters("status", [(status.value, STATES[status]) for status in Status]),
        next_page=_address(after=page.jobs[-1].id) if page.has_more else None,
        first_page=_address(after=None) if query.after else None,
        depths=here.store.jobs.queue_depths(),
    )


@blueprint.get("/jobs/<job_id>")
def show(job_id: str) -> Response:
    """Show one job."""
    here = parts()
    job = here.store.jobs.get(job_id)
    writes = job.type is JobType.GENERATE
    events = here.store.events.newest(job_id, limit=here.settings.events_cap if writes else _LOOK_BACK)
    rows = here.store.jobs.metrics(job_id) if job.type is JobType.TRAIN else []
    metrics = [Metric.of(row).model_dump() for row in rows]
    model = here.volume.models.find(job.model_id)
    corpus_id = job.params.get("corpus_id") or (model.corpus_id if model else None)
    page = render_template(
        "job.html",
        job=job,
        model=model,
        corpus=here.volume.corpora.find(corpus_id) if corpus_id else None,
        curve=draw(metrics, best_epoch=job.metrics.best_epoch),
        metrics=metrics,
        samples=here.store.jobs.samples(job_id)[: -_SAMPLES - 1 : -1],
        texts=written(job, events[::-1]) if writes else [],
        lines=[event for event in events if event.type in (EventType.STATUS, EventType.LOG)][:_LINES],
        params=_shown(job),
        curl=_curl(job),
        resumable=resuming.why_not(here, job) is None,
    )
    return make_response(page)


@blueprint.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> AnyResponse:
    """Cancel a job and come back to its page, which tells what came of it."""
    csrf.form()
    with suppress(Conflict):
        parts().store.jobs.cancel(job_id)
    return redirect(f"/jobs/{job_id}", 303)


@blueprint.post("/jobs/<job_id>/resume")
def resume(job_id: str) -> AnyResponse:
    """Go on with a training, and show the job that does."""
    csrf.form()
    here = parts()
    job = resuming.order(here, here.store.jobs.get(job_id))
    return redirect(f"/jobs/{job.id}", 303)


def _address(**changes: str | None) -> str:
    """Return the present list's address with some filters changed."""
    wanted = {name: value for name, value in request.args.items() if value} | changes
    kept = {name: value for name, value in wanted.items() if value}
    query = "&".join(f"{name}={value}" for name, value in kept.items())
    return f"/jobs?{query}" if query else "/jobs"


def _filters(name: str, choices: list[tuple[str, str]]) -> list[Filter]:
    present = request.args.get(name, "")
    return [
        Filter(name=said, address=_address(**{name: value or None, "after": None}), chosen=value == present)
        for value, said in [("", "All"), *choices]
    ]


def _shown(job: Job) -> dict[str, Any]:
    """Return the options that are worth a line: no prompt (it stands above), nothing that isn't set."""
    return {name: value for name, value in job.params.items() if value not in (None, {}, []) and name != "prompt"}


def _curl(job: Job) -> str | None:
    """Return the command that would have asked for the same."""
    kinds: dict[str, tuple[str, type[BaseModel]]] = {
        "stream": ("train-jobs", StreamRequest),
        "classic": ("train-jobs", ClassicRequest),
        "generate": ("generate-jobs", GenerateRequest),
    }
    found = kinds.get(str(job.params.get("recipe", job.type.value)))
    if found is None:
        return None
    path, kind = found
    body = {
        name: value
        for name, value in job.params.items()
        if value is not None
        and (name == "recipe" or value != kind.model_fields[name].get_default(call_default_factory=True))
    }
    address = f"{request.host_url}api/v1/{path}"
    return f"curl {address} --json {shlex.quote(json.dumps(body, ensure_ascii=False))}"
