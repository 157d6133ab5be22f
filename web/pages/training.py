"""The first page: a text, two recipes, a training."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, make_response, redirect, render_template, request
from pydantic import TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from shared import fit, volume
from shared.errors import InvalidRequest, NotFound
from shared.jobs import JobType
from shared.requests import AnyTrainRequest, ClassicRequest, StreamRequest
from web import training
from web.pages import csrf
from web.pages.fields import FormField, errors_by_field, fields_of, values_of
from web.parts import Parts, parts
from web.refusals import check_strings
from web.uploads import check_name, name_of_file, pasted

blueprint = Blueprint("training_page", __name__)

_REQUEST: TypeAdapter[training.Training] = TypeAdapter(AnyTrainRequest)
#: Largest pasted text, bytes: it is held in memory; files aren't.
PASTE_BYTES = 16 * 2**20
_FORM_OVERHEAD_BYTES = 64 * 1024
#: Newest texts that can be picked on the page.
_TEXTS = 50
#: Not among the options: asked for elsewhere, or not by a form.
_APART = ("corpus_id", "recipe", "name", "metadata", "webhook")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One of the two recipes as the page shows it."""

    name: str
    about: str
    fields: Mapping[str, FormField]
    #: What its model would be on this text with the options left alone; None where it can't be.
    parameters: int | None
    fitted: training.Training | None
    #: Why it can't be.
    refusal: str | None


_ABOUT = {
    "stream": "Learns from every character and carries its memory along the text. The same quality hundreds of times "
    "sooner: take this one.",
    "classic": "The recipe of the original document, number for number: windows of 100 characters, one target each. "
    "Slow; take it to reproduce the document.",
}


@blueprint.get("/")
def show() -> Response:
    """Show the form, filled with what the address asks for."""
    here = parts()
    again = request.args.get("again")
    if again is not None:
        job = here.store.jobs.get(again)
        if job.type is not JobType.TRAIN:
            raise NotFound(f"{again} is no training.")
        kind = ClassicRequest if job.params["recipe"] == "classic" else StreamRequest
        return _page(here, corpus_id=job.params["corpus_id"], recipe=kind, typed=values_of(job.params, kind))
    return _page(here, corpus_id=request.args.get("corpus_id"))


@blueprint.post("/corpora")
def send_text() -> AnyResponse:
    """Take a text in, from a file or pasted, and come back with it picked."""
    here = parts()
    limit = here.settings.max_corpus_bytes
    form = csrf.form(max_bytes=limit + PASTE_BYTES + _FORM_OVERHEAD_BYTES, max_field_bytes=PASTE_BYTES)
    file = request.files.get("file")
    text = form.get("text", "")
    try:
        name = check_name(form.get("name"))
        if file is not None and file.filename:
            name = name or name_of_file(file.filename)
            corpus, _ = here.volume.corpora.add(file.stream, name=name, max_bytes=limit)  # type: ignore[arg-type]
        elif text.strip():
            stream, first_line = pasted(text)
            corpus, _ = here.volume.corpora.add(stream, name=name or first_line, max_bytes=limit)
        else:
            raise InvalidRequest.at("/file", "No text was sent: choose a file, or paste one.")
    except InvalidRequest as exc:
        return _page(here, typed=form, errors=errors_by_field(exc), status=422)
    return redirect(f"/?corpus_id={corpus.id}#recipes", 303)


@blueprint.post("/train")
def train() -> AnyResponse:
    """Queue a training and go to its page; where something is wrong, say it beside the fields."""
    here = parts()
    form = csrf.form()
    typed = {name: value for name, value in form.items() if name != csrf.FIELD}
    kind = ClassicRequest if typed.get("recipe") == "classic" else StreamRequest
    try:
        wished = check_strings(_REQUEST, {name: value.strip() for name, value in typed.items() if value.strip()})
        job = training.order(here, wished)
    except InvalidRequest as exc:
        errors = errors_by_field(exc)
        return _page(here, corpus_id=typed.get("corpus_id"), recipe=kind, typed=typed, errors=errors, status=422)
    return redirect(f"/jobs/{job.id}", 303)


def _page(
    here: Parts,
    *,
    corpus_id: str | None = None,
    recipe: type[StreamRequest] | type[ClassicRequest] = StreamRequest,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    corpora, more = here.volume.corpora.list(after=None, limit=_TEXTS)
    corpus = here.volume.corpora.find(corpus_id) if corpus_id else None
    chosen = "classic" if recipe is ClassicRequest else "stream"
    page = render_template(
        "train.html",
        corpora=corpora,
        more=more,
        corpus=corpus,
        missing=corpus_id is not None and corpus is None,
        recipes=[_recipe(here, kind, corpus) for kind in (StreamRequest, ClassicRequest)] if corpus else [],
        chosen=chosen,
        typed=typed or {},
        errors=errors or {},
        models=here.volume.models.list(after=None, limit=_TEXTS)[0],
        max_bytes=here.settings.max_corpus_bytes,
    )
    return make_response(page, status)


def _recipe(here: Parts, kind: type[StreamRequest] | type[ClassicRequest], corpus: volume.Corpus) -> Recipe:
    name = "classic" if kind is ClassicRequest else "stream"
    wish: training.Training = kind.model_validate({"corpus_id": corpus.id, "recipe": name})
    chars, vocab_size = training.size_of(corpus, wish)
    fitted, refusal = None, None
    try:
        fitted = training.fit_to(here, wish, chars=chars, vocab_size=vocab_size)
    except InvalidRequest as exc:
        refusal = exc.detail
    return Recipe(
        name=name,
        about=_ABOUT[name],
        fields={key: field for key, field in fields_of(kind).items() if key not in _APART},
        parameters=fit.parameters(fitted, vocab_size) if fitted else None,
        fitted=fitted,
        refusal=refusal,
    )
