"""The first page: upload or choose a text, choose a recipe, train."""

from collections.abc import Mapping, Sequence
from functools import partial

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import InvalidRequest, NotFound, QuotaExceeded, TooLarge, UnknownEncoding
from shared.jobs.record import Job, JobType
from shared.requests.options import TRAIN_REQUESTS, ClassicRequest, StreamRequest
from shared.text.encodings import ENCODINGS, encoding_of
from web.http.uploads import check_name, column_of, pasted, uploads_of
from web.pages import csrf
from web.pages.form_fields import errors_by_field, values_of
from web.pages.recipe_panels import RecipePanel, panel_of, requested, vocabulary_of
from web.services import Services, services
from web.submission import quotas, training
from web.submission.extracting import extract, is_plain
from web.submission.submit import submit

blueprint = Blueprint("training_page", __name__)

#: Largest pasted text, bytes: it is held in memory; files aren't.
PASTE_BYTES = 16 * 2**20
#: What a browser's file dialog offers.
ACCEPTED = "text/*,.txt,.md,.csv,.tsv,.jsonl,.epub,.html,.htm,.xhtml,.docx,.odt,.fb2,.rtf,.pdf,.srt,.vtt,.gz,.zip"
_FORM_OVERHEAD_BYTES = 64 * 1024
#: Newest texts that can be chosen on the page.
_TEXTS = 50
#: Encodings that are offered for a text whose own is uncertain.
_MAX_GUESSES = 8


@blueprint.get("/")
def show() -> Response:
    """Show the form, filled in as the address asks."""
    here = services()
    again = request.args.get("again")
    if again is not None:
        job = here.store.jobs.get(again)
        if job.type is not JobType.TRAIN:
            raise NotFound(f"{again} is not a training.")
        kind = TRAIN_REQUESTS[job.params["recipe"]]
        return _page(here, corpus_id=job.params["corpus_id"], recipe=kind, typed=values_of(job.params, kind))
    model = here.volume.models.find(request.args.get("init_from", ""))
    return _page(
        here,
        corpus_id=request.args.get("corpus_id"),
        recipe=TRAIN_REQUESTS[model.recipe] if model else StreamRequest,
        typed={"init_from": model.id} if model else {},
    )


@blueprint.post("/corpora")
def send_text() -> AnyResponse:
    """Store a text, from a file or pasted, and return to the page with it chosen."""
    here = services()
    limit = here.settings.max_corpus_bytes
    form = csrf.form(max_bytes=limit + PASTE_BYTES + _FORM_OVERHEAD_BYTES, max_field_bytes=PASTE_BYTES)
    files = [file for file in request.files.getlist("file") if file.filename]
    text = form.get("text", "")
    encoding = encoding_of(form.get("encoding", ""))
    try:
        name = check_name(form.get("name"))
        if files:
            uploads = uploads_of(files, name)
            upload, column = uploads[0], form.get("column") or None
            if column is None and not is_plain(uploads):
                found = extract(here, uploads, encoding=encoding)
                where = f"/jobs/{found.id}?then=train" if isinstance(found, Job) else f"/?corpus_id={found.id}#recipes"
                return redirect(where, 303)
            if len(uploads) > 1:
                raise InvalidRequest.at("/column", "A column is taken of a single table; choose one file.")
            corpus, _ = here.volume.corpora.add(
                upload.stream,
                name=upload.name,
                max_bytes=limit,
                encoding=encoding,
                column=column_of(upload, column, None),
                **quotas.keeping(here),
            )
        elif text.strip():
            stream, first_line = pasted(text)
            corpus, _ = here.volume.corpora.add(
                stream, name=name or first_line, max_bytes=limit, **quotas.keeping(here)
            )
        else:
            raise InvalidRequest.at("/file", "No text was sent: choose a file or paste a text.")
    except UnknownEncoding as exc:
        return _page(here, typed=form, errors=errors_by_field(exc), guesses=exc.guesses[:_MAX_GUESSES], status=422)
    except InvalidRequest as exc:
        return _page(here, typed=form, errors=errors_by_field(exc), status=422)
    except (QuotaExceeded, TooLarge) as exc:
        return _page(here, typed=form, errors={"file": exc.detail}, status=exc.status)
    return redirect(f"/?corpus_id={corpus.id}#recipes", 303)


@blueprint.post("/train")
def train() -> AnyResponse:
    """Queue a training and go to its page, or show the form with its errors."""
    here = services()
    typed = _typed()
    kind = TRAIN_REQUESTS.get(typed.get("recipe", ""), StreamRequest)
    try:
        job = submit(here, partial(training.prepare, here, requested(typed)))
    except InvalidRequest as exc:
        errors = errors_by_field(exc)
        return _page(here, corpus_id=typed.get("corpus_id"), recipe=kind, typed=typed, errors=errors, status=422)
    return redirect(f"/jobs/{job.id}", 303)


@blueprint.post("/train/preview")
def preview() -> Response:
    """Estimate a training with these options; nothing is queued."""
    here = services()
    typed = _typed()
    kind = TRAIN_REQUESTS.get(typed.get("recipe", ""), StreamRequest)
    return _page(here, corpus_id=typed.get("corpus_id"), recipe=kind, typed=typed, previews=True)


def _typed() -> dict[str, str]:
    return {name: value for name, value in csrf.form().items() if name != csrf.FIELD}


def _page(
    here: Services,
    *,
    corpus_id: str | None = None,
    recipe: type[StreamRequest] | type[ClassicRequest] = StreamRequest,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    guesses: Sequence[tuple[str, str]] = (),
    previews: bool = False,
    status: int = 200,
) -> Response:
    """Return the page.

    Args:
        here: the services.
        corpus_id: the text that is chosen.
        recipe: the recipe whose options were typed.
        typed: these options.
        errors: what is wrong, by field.
        guesses: encodings that the text may be in, with what it would say.
        previews: whether only an estimate was asked for.
        status: of the response.
    """
    corpora, more = here.volume.corpora.list(after=None, limit=_TEXTS)
    corpus = here.volume.corpora.find(corpus_id) if corpus_id else None
    chosen = recipe.kind.name
    recipes: list[RecipePanel] = []
    if corpus is not None:
        recipes += [
            panel_of(here, kind, corpus, typed or {} if kind is recipe else {}) for kind in TRAIN_REQUESTS.values()
        ]
    if previews:
        errors = next((one.errors for one in recipes if one.name == chosen), {})
        status = 422 if errors else 200
    page = render_template(
        "train.html",
        corpora=corpora,
        more=more,
        corpus=corpus,
        missing=corpus_id is not None and corpus is None,
        vocabulary=vocabulary_of(here, corpus) if corpus else None,
        recipes=recipes,
        chosen=chosen,
        typed=typed or {},
        errors=errors or {},
        guesses=[(name, ENCODINGS[name], places) for name, places in guesses],
        models=here.volume.models.list(after=None, limit=_TEXTS)[0],
        max_bytes=here.settings.max_corpus_bytes,
        accepted=ACCEPTED,
    )
    return make_response(page, status)
