"""The page that generates text with a model."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from flask import Blueprint, Response, make_response, redirect, render_template, request
from pydantic import TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from shared import volume
from shared.errors import InvalidRequest, NotFound
from shared.jobs.record import JobType
from shared.requests.writing import GenerateRequest, WriteItems
from shared.text.vocabulary import Vocabulary
from web.http.validation import check_strings
from web.pages import csrf
from web.pages.form_fields import errors_by_field, fields_of, values_of
from web.services import Services, services
from web.submission import generation
from web.submission.submit import submit

blueprint = Blueprint("writing_page", __name__)

_REQUEST: TypeAdapter[GenerateRequest] = TypeAdapter(GenerateRequest)
#: Newest models that can be chosen on the page.
_MODELS = 100
#: Always shown, and folded away.
_FIRST = ("length", "n")
#: Prefix of the form's fields for items, and how many a model of a list is asked for unless the form says otherwise.
_ITEMS, _COUNT = "items.", "100"
_FOLDED = ("seed", "top_k", "top_p", "max_run", "unknown_chars", "priority")


#: The effect of a temperature: from which value on, its range and words. The page marks the current one.
_SCALE = (
    (0, "0", "always the likeliest character: soon repeats itself"),
    (0.01, "up to 0.5", "careful: safe words, many repetitions"),
    (0.51, "0.5 to 0.9", "balanced: best with most models"),
    (0.91, "about 1", "the model’s own distribution: livelier, more errors"),
    (1.21, "1.2 and more", "wild: words fall apart"),
    (2, "2 and more", "nonsense: nearly random letters"),
)


@blueprint.get("/write")
def show() -> Response:
    """Show the form, filled in as the address asks."""
    here = services()
    shown = request.args.get("job")
    again = shown or request.args.get("again")
    if again is None:
        return _page(here, {"model_id": request.args.get("model_id", "")})
    job = here.store.jobs.get(again)
    if job.type is not JobType.GENERATE:
        raise NotFound(f"{again} is not a generate job.")
    typed = values_of(job.params, GenerateRequest)
    if items := job.params.get("items"):
        typed |= {f"{_ITEMS}{name}": value for name, value in values_of(items, WriteItems).items()}
        typed["items.separator"] = typed["items.separator"].replace("\n", r"\n")
    if shown:
        return _page(here, typed, shown=job.id)
    if request.args.get("seed") == "new":
        typed.pop("seed", None)
    return _page(here, typed)


@blueprint.post("/write")
def write() -> AnyResponse:
    """Queue a generate job and go to its page, or show the form with its errors."""
    here = services()
    form = csrf.form()
    typed = {name: value for name, value in form.items() if name != csrf.FIELD}
    # A browser sends line ends as CR LF; the prompt keeps its spaces, which the model continues.
    options: dict[str, object] = {
        name: value if name in ("prompt", "stop") else value.strip() for name, value in typed.items() if value.strip()
    }
    if "stop" in options:
        options["stop"] = [line for line in typed["stop"].splitlines() if line]
    items = {name.removeprefix(_ITEMS): options.pop(name) for name in list(options) if name.startswith(_ITEMS)}
    if "count" in items:
        items = {name: str(value).replace(r"\n", "\n") for name, value in items.items()}
        options["items"] = items
    try:
        job = submit(here, partial(generation.prepare, here, check_strings(_REQUEST, options)))
    except InvalidRequest as exc:
        return _page(here, typed, errors=errors_by_field(exc), status=422)
    return redirect(f"/jobs/{job.id}", 303)


def _page(
    here: Services,
    typed: Mapping[str, str],
    *,
    errors: Mapping[str, str] | None = None,
    shown: str | None = None,
    status: int = 200,
) -> Response:
    """Return the form; `shown` is the job whose text appears next to it if there is JavaScript."""
    models, _ = here.volume.models.list(after=None, limit=_MODELS)
    model = here.volume.models.find(typed.get("model_id", "")) or (models[0] if models else None)
    if model is not None and model.id not in {one.id for one in models}:
        models = [model, *models]
    fields = fields_of(GenerateRequest)
    if not typed.keys() - {"model_id"} and model is not None and model.items is not None:
        typed = {**typed, "items.count": _COUNT}
    page = render_template(
        "write.html",
        models=models,
        model=model,
        with_passage={one.id for one in models if one.corpus_id and here.volume.corpora.find(one.corpus_id)},
        fields=fields,
        shown=shown,
        scale=_SCALE,
        first=[fields[name] for name in _FIRST],
        folded=[fields[name] for name in _FOLDED],
        item_fields=[replace(one, name=_ITEMS + one.name) for one in fields_of(WriteItems).values()],
        typed=typed,
        errors=errors or {},
        marked=_marked(model, typed.get("prompt", "")) if errors and "prompt" in errors and model else [],
    )
    return make_response(page, status)


def _marked(model: volume.Model, text: str) -> list[tuple[str, bool]]:
    """Cut a prompt into pieces that the model knows and pieces that it doesn't know."""
    known = Vocabulary(model.vocabulary)
    pieces: list[tuple[str, bool]] = []
    for character in generation.fitted_to(model, text):
        strange = character not in known
        if pieces and pieces[-1][1] == strange:
            pieces[-1] = (pieces[-1][0] + character, strange)
        else:
            pieces.append((character, strange))
    return pieces
