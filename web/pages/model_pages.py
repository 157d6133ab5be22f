"""The list of models, and the page of one: rename, download, import, delete."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from flask import Blueprint, Response, make_response, redirect, render_template, request
from pydantic import TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import Damaged, InvalidRequest, NotFound, QuotaExceeded
from shared.jobs.comparison import compare
from shared.jobs.rows import MetricRow
from shared.requests.edits import ModelPatch
from shared.requests.recipes import RECIPES
from shared.volume import Model
from web.http.loss_rows import reply_csv
from web.http.queries import ModelsQuery
from web.http.schemas import Metric
from web.http.uploads import only, uploads_of
from web.http.validation import check_strings
from web.pages import csrf, lineage
from web.pages.form_fields import errors_by_field
from web.pages.loss_curve import Run, draw
from web.services import Services, services
from web.submission import importing, quotas
from web.submission.cancellation import retire
from web.submission.submit import submit

blueprint = Blueprint("models_page", __name__)

_QUERY: TypeAdapter[ModelsQuery] = TypeAdapter(ModelsQuery)
_PATCH: TypeAdapter[ModelPatch] = TypeAdapter(ModelPatch)
_FORM_OVERHEAD_BYTES = 64 * 1024
#: Rows of losses that a page holds, 600 bytes each. Of more, every second, third … one is shown, the last included.
MAX_ROWS_SHOWN = 2000


@blueprint.get("/models")
def show_list() -> Response:
    """List the models."""
    return _list(services())


@blueprint.get("/models/<model_id>")
def show(model_id: str) -> Response:
    """Show one model."""
    return _one(services(), model_id)


@blueprint.get("/models/<model_id>/losses.csv")
def send_losses(model_id: str) -> Response:
    """Send every loss of a model's training as a CSV file."""
    return reply_csv([Metric.model_validate(row) for row in services().volume.models.metrics(model_id)], model_id)


@blueprint.post("/models/<model_id>/rename")
def rename(model_id: str) -> AnyResponse:
    """Rename a model."""
    here = services()
    form = csrf.form()
    try:
        patch = check_strings(_PATCH, {"name": form.get("name", "").strip()})
    except InvalidRequest as exc:
        return _one(here, model_id, errors=errors_by_field(exc), status=422)
    here.volume.models.edit(model_id, name=patch.name, metadata=None)
    return redirect(f"/models/{model_id}", 303)


@blueprint.post("/models/<model_id>/base")
def mark_base(model_id: str) -> AnyResponse:
    """Mark a model as a base, or remove the mark."""
    here = services()
    form = csrf.form()
    if not RECIPES[here.volume.models.get(model_id).recipe].has_bases:
        raise NotFound("Only a stream model can be a base.")
    here.volume.models.mark_base(model_id, base=form.get("base") == "true")
    return redirect(f"/models/{model_id}", 303)


@blueprint.post("/models/<model_id>/delete")
def delete(model_id: str) -> AnyResponse:
    """Delete a model."""
    here = services()
    csrf.form()
    here.volume.models.delete(model_id, check=lambda: retire(here, model_id))
    return redirect("/models", 303)


@blueprint.post("/models/import")
def import_model() -> AnyResponse:
    """Import a model from a file and go to the job's page."""
    here = services()
    limit = here.settings.max_model_bytes
    form = csrf.form(max_bytes=limit + _FORM_OVERHEAD_BYTES)
    try:
        upload = only(uploads_of(request.files.getlist("file"), form.get("name")))
        if not upload.filename:
            raise InvalidRequest.at("/file", "No file was sent: choose a bundle or a .pth file.")
        job = submit(here, partial(importing.prepare, here, upload), upload=upload)
    except InvalidRequest as exc:
        return _list(here, errors=errors_by_field(exc), status=422)
    except QuotaExceeded as exc:
        return _list(here, errors={"file": exc.detail}, status=exc.status)
    return redirect(f"/jobs/{job.id}", 303)


def _list(here: Services, *, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    asked = {name: value for name, value in request.args.items() if value}
    query: ModelsQuery = check_strings(_QUERY, asked)
    models, more = here.volume.models.list(
        after=query.after, limit=query.limit, newest_first=query.order == "desc", where=query.accepts
    )
    of_corpus = f"corpus_id={query.corpus_id}" if query.corpus_id else ""
    page = render_template(
        "models.html",
        stored=quotas.shown(here),
        models=models,
        bases={base.id for base in here.volume.models.bases()},
        next_page=f"/models?after={models[-1].id}&{of_corpus}".rstrip("&") if more else None,
        first_page=f"/models?{of_corpus}".rstrip("?") if query.after else None,
        of_corpus=of_corpus,
        corpus=here.volume.corpora.find(query.corpus_id) if query.corpus_id else None,
        errors=errors or {},
        max_bytes=here.settings.max_model_bytes,
    )
    return make_response(page, status)


def _one(here: Services, model_id: str, *, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    model = here.volume.models.get(model_id)
    run = run_of(here, model)
    page = render_template(
        "model.html",
        model=model,
        base=here.volume.models.is_base(model_id),
        corpus=here.volume.corpora.find(model.corpus_id) if model.corpus_id else None,
        line=lineage.trace(here.volume.models, model),
        run=run,
        curve=draw([run]),
        comparison=compare(model.losses.validation, model.losses.baselines, model.params),
        job=here.store.jobs.find(model.job_id),
        jobs=here.store.jobs.page(model_id=model_id, limit=10).jobs,
        errors=errors or {},
    )
    return make_response(page, status)


def run_of(here: Services, model: Model) -> Run:
    """Return the losses of a model's training, as they were published with it; none and why, if they are damaged."""
    metrics: Sequence[MetricRow] = ()
    trouble = None
    try:
        metrics = here.volume.models.metrics(model.id)
    except Damaged as exc:
        trouble = exc.detail
    every = -(-len(metrics) // MAX_ROWS_SHOWN) or 1
    return Run(
        id=model.id,
        name=model.name,
        metrics=[asdict(row) for row in metrics[::-every][::-1]],
        best_epoch=model.losses.best_epoch,
        baselines=asdict(model.losses.baselines) if model.losses.baselines else None,
        trouble=trouble,
        every=every,
    )
