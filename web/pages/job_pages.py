"""The list of jobs, and the page of one: its status, what it has done, its request."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, redirect, render_template, request
from pydantic import TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import Conflict
from shared.jobs.comparison import Comparison, compare
from shared.jobs.events import EventType
from shared.jobs.record import Job, JobType, Status
from shared.requests.recipes import RECIPES
from web.http.loss_rows import reply_csv, rows_of
from web.http.queries import JobsQuery
from web.http.validation import check_strings
from web.pages import commands, csrf
from web.pages.formatting import KINDS, STATES, running_time
from web.pages.item_table import newest_items, table_of
from web.pages.loss_curve import Run, draw
from web.pages.passages import written
from web.services import Services, services
from web.submission import cancellation, resuming
from web.submission.submit import submit

blueprint = Blueprint("jobs_page", __name__)

_QUERY: TypeAdapter[JobsQuery] = TypeAdapter(JobsQuery)
#: Newest samples and lines of the history that are shown.
_SAMPLES, _LINES = 30, 40
#: Newest events of a training among which these lines are looked for: minutes of its progress.
_LOOK_BACK = 1000
#: Longest chain of resumed jobs whose times are added up.
_MAX_EARLIER = 100


@dataclass(frozen=True, kw_only=True)
class Filter:
    """One filter of the list, as a link."""

    name: str
    address: str
    chosen: bool


@blueprint.get("/jobs")
def show_list() -> str:
    """List the jobs that the address asks for."""
    here = services()
    query: JobsQuery = check_strings(_QUERY, {name: value for name, value in request.args.items() if value})
    page = query.read(here.store.jobs)
    live = any(not job.ended for job in page.jobs)
    return render_template(
        "jobs.html",
        jobs=page.jobs,
        live=live,
        query=query,
        types=_filters("type", [("", "All types"), *((kind.value, KINDS[kind]) for kind in JobType)]),
        statuses=_filters("status", [("", "All statuses"), *((status.value, STATES[status]) for status in Status)]),
        next_page=_address(after=page.jobs[-1].id) if page.has_more else None,
        first_page=_address(after=None) if query.after else None,
        model=here.volume.models.find(query.model_id) if query.model_id else None,
        corpus=here.volume.corpora.find(query.corpus_id) if query.corpus_id else None,
        of_all=_address(model_id=None, corpus_id=None, after=None),
        no_worker=any(job.status is Status.QUEUED for job in page.jobs) and not here.store.workers.seen(),
    )


@blueprint.get("/jobs/<job_id>")
def show(job_id: str) -> AnyResponse:
    """Show one job."""
    here = services()
    # Read first: what happens meanwhile is then sent twice rather than never.
    after = here.store.events.last_id(job_id)
    job = here.store.jobs.get(job_id)
    writes = job.type is JobType.GENERATE
    events = here.store.events.newest(job_id, limit=here.settings.events_cap if writes else _LOOK_BACK)
    model = here.volume.models.find(job.model_id)
    corpus_id = job.params.get("corpus_id") or (model.corpus_id if model else None)
    corpus = here.volume.corpora.find(corpus_id) if corpus_id else None
    made = here.volume.corpora.find(job.result["corpus_id"]) if job.result and job.result.get("corpus_id") else None
    if made is not None and request.args.get("then") == "train":
        return redirect(f"/?corpus_id={made.id}#recipes", 303)
    runs = [_run(job, here.store.jobs.metrics(job_id))] if job.type is JobType.TRAIN else []
    earlier = _earlier_seconds(here, job)
    page = render_template(
        "job.html",
        job=job,
        after=after,
        no_worker=job.status is Status.QUEUED and not here.store.workers.seen(),
        earlier_s=sum(earlier),
        earlier_jobs=len(earlier),
        model=model,
        corpus=corpus,
        made=made,
        runs=runs,
        curve=draw(runs),
        comparison=_comparison(job) if job.status is Status.SUCCEEDED else None,
        samples=here.store.jobs.samples(job_id)[: -_SAMPLES - 1 : -1],
        texts=written(job, events[::-1]) if writes and not job.params.get("items") else [],
        table=table_of(here, job, request.args),
        coming=newest_items(events),
        lines=[event for event in events if event.type in (EventType.STATUS, EventType.LOG)][:_LINES],
        params=_shown(job),
        commands=commands.of(job, host_url=request.host_url, recognized=bool(corpus and corpus.items)),
        resumable=resuming.why_not(here, job) is None,
    )
    return make_response(page)


@blueprint.get("/jobs/<job_id>/losses.csv")
def send_losses(job_id: str) -> Response:
    """Send every loss of a training as a CSV file, which a link can't ask the API for."""
    jobs = services().store.jobs
    jobs.get(job_id)
    return reply_csv(rows_of(jobs.metrics(job_id)), job_id)


@blueprint.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> AnyResponse:
    """Cancel a job and return to its page."""
    csrf.form()
    with suppress(Conflict):
        cancellation.cancel(services(), job_id)
    return redirect(f"/jobs/{job_id}", 303)


@blueprint.post("/jobs/<job_id>/resume")
def resume(job_id: str) -> AnyResponse:
    """Resume a training and show the new job."""
    csrf.form()
    here = services()
    job = submit(here, partial(resuming.prepare, here, here.store.jobs.get(job_id)))
    return redirect(f"/jobs/{job.id}", 303)


def _address(**changes: str | None) -> str:
    """Return this list's address with some filters changed."""
    wanted = {name: value for name, value in request.args.items() if value} | changes
    kept = {name: value for name, value in wanted.items() if value}
    return f"/jobs?{urlencode(kept, safe=',')}" if kept else "/jobs"


def _earlier_seconds(here: Services, job: Job) -> list[float]:
    """Return how long each of the jobs ran that this one resumes, as far as they are still known."""
    found: list[float] = []
    while job.parent_id and len(found) < _MAX_EARLIER and (parent := here.store.jobs.find(job.parent_id)):
        found.append(running_time(parent) or 0.0)
        job = parent
    return found


def _filters(name: str, choices: list[tuple[str, str]]) -> list[Filter]:
    present = request.args.get(name, "")
    return [
        Filter(name=said, address=_address(**{name: value or None, "after": None}), chosen=value == present)
        for value, said in choices
    ]


def _comparison(job: Job) -> Comparison | None:
    reason = (job.result or {}).get("stop_reason", "")
    return compare(job.metrics.best_loss, job.metrics.baselines, job.params, reason)


def _shown(job: Job) -> dict[str, Any]:
    """Return the options that are set, without the prompt, which has a place of its own."""
    return {name: value for name, value in job.params.items() if value not in (None, {}, []) and name != "prompt"}


def _run(job: Job, measured: Sequence[Mapping[str, Any]]) -> Run:
    """Return the losses of a training, including columns for those that are still to come."""
    recipe = RECIPES[job.params["recipe"]]
    keeps_back = recipe.is_windowed or job.params["validation_fraction"]
    return Run(
        id=job.id,
        name=str(job.params["name"]),
        metrics=[row.model_dump() for row in rows_of(measured)],
        best_epoch=job.metrics.best_epoch,
        baselines=job.metrics.baselines,
        awaited=["train_loss", *([recipe.loss_metric] if keeps_back else [])],
    )
