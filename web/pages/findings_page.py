"""The page of a text's findings, which the text's own page shows, too: what is odd, and the form to clean it."""

from functools import partial

from flask import Blueprint, Response, make_response, redirect, render_template, request
from pydantic import TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import InvalidRequest, NotFound
from shared.jobs.record import Job, Status
from shared.requests.cleaning import ADVISED, CleanRequest
from shared.volume import Corpus, corpus_findings
from shared.volume.corpus_record import Cleaning
from web.http.validation import check
from web.pages import csrf
from web.pages.form_fields import errors_by_field
from web.pages.formatting import visible
from web.services import Services, services
from web.submission import cleaning
from web.submission.submit import submit

blueprint = Blueprint("findings_page", __name__)

_REQUEST: TypeAdapter[CleanRequest] = TypeAdapter(CleanRequest)


@blueprint.get("/texts/<corpus_id>/findings")
def show(corpus_id: str) -> Response:
    """Show what is odd in a text, or the job that examines it; and the job that cleans it, if the address names one."""
    return _page(services(), corpus_id)


@blueprint.post("/texts/<corpus_id>/clean")
def clean(corpus_id: str) -> AnyResponse:
    """Queue the cleaning of a text by the chosen remedies, or by those that are advised, and show its job."""
    here = services()
    form = csrf.form()
    remedies = ADVISED if form.get("advised") else form.getlist("remedy")
    try:
        body: CleanRequest = check(_REQUEST, {"remedies": remedies})
    except InvalidRequest as exc:
        return _page(here, corpus_id, errors=errors_by_field(exc), status=422)
    job = submit(here, partial(cleaning.prepare, here, corpus_id, body))
    return redirect(f"/texts/{corpus_id}/findings?job={job.id}", 303)


@blueprint.app_template_filter("shown")
def shown(text: str) -> str:
    """Return a piece of a text with signs for the characters that can't be seen."""
    return "".join(character if character.isprintable() else visible(character) for character in text)


def _page(here: Services, corpus_id: str, *, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    corpus = here.volume.corpora.get(corpus_id)
    found = cleaning.findings_or_job(here, corpus_id)
    job = _cleaning_job(here, corpus_id, request.args.get("job", ""))
    examination = found if isinstance(found, Job) else None
    page = render_template(
        "findings.html",
        corpus=corpus,
        findings=None if examination else found.findings,  # type: ignore[union-attr]
        examination=examination,
        job=job,
        made=_made(here, job),
        done=_cleaning_of(here, corpus),
        live=any(one is not None and not one.ended for one in (examination, job)),
        errors=errors or {},
    )
    return make_response(page, status)


def _cleaning_job(here: Services, corpus_id: str, job_id: str) -> Job | None:
    """Return the job that the address names, if it cleans this text."""
    job = here.store.jobs.find(job_id)
    return job if job is not None and job.params.get("corpus_id") == corpus_id else None


def _made(here: Services, job: Job | None) -> tuple[Corpus, Cleaning | None] | None:
    """Return the text that a job has made, and how; the text itself and None where nothing had to be changed."""
    if job is None or job.status is not Status.SUCCEEDED:
        return None
    corpus = here.volume.corpora.find(str((job.result or {}).get("corpus_id")))
    return None if corpus is None else (corpus, _cleaning_of(here, corpus))


def _cleaning_of(here: Services, corpus: Corpus) -> Cleaning | None:
    try:
        return corpus_findings.read_cleaning(here.volume.corpora, corpus.id) if corpus.parent_id else None
    except NotFound:
        return None
