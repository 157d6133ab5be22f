"""The page where a model is asked to write."""

from collections.abc import Mapping

from flask import Blueprint, Response, make_response, redirect, render_template, request
from pydantic import TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from shared import prompt, volume
from shared.errors import InvalidRequest, NotFound
from shared.jobs import JobType
from shared.requests import GenerateRequest
from shared.text import Vocabulary
from web import writing
from web.pages import csrf
from web.pages.fields import errors_by_field, fields_of, values_of
from web.parts import Parts, parts
from web.refusals import check_strings

blueprint = Blueprint("writing_page", __name__)

_REQUEST: TypeAdapter[GenerateRequest] = TypeAdapter(GenerateRequest)
#: Newest models that can be picked on the page.
_MODELS = 100
#: Shown at once, and folded away.
_FIRST = ("temperature", "length", "n")
_FOLDED = ("seed", "top_k", "top_p", "unknown_chars")


@blueprint.get("/write")
def show() -> Response:
    """Show the form, filled with what the address asks for."""
    here = parts()
    again = request.args.get("again")
    if again is None:
        return _page(here, {"model_id": request.args.get("model_id", "")})
    job = here.store.jobs.get(again)
    if job.type is not JobType.GENERATE:
        raise NotFound(f"{again} is no writing.")
    typed = values_of(job.params, GenerateRequest)
    if request.args.get("seed") == "new":
        typed.pop("seed", None)
    return _page(here, typed)


@blueprint.post("/write")
def write() -> AnyResponse:
    """Queue a writing and go to its page; where something is wrong, say it beside the fields."""
    here = parts()
    form = csrf.form()
    typed = {name: value for name, value in form.items() if name != csrf.FIELD}
    # A browser sends line ends as CR LF; the prompt keeps its spaces, since the model goes on from them.
    wish: dict[str, object] = {
        name: value if name in ("prompt", "stop") else value.strip() for name, value in typed.items() if value.strip()
    }
    if "stop" in wish:
        wish["stop"] = [line for line in typed["stop"].splitlines() if line]
    try:
        job = writing.order(here, check_strings(_REQUEST, wish))
    except InvalidRequest as exc:
        return _page(here, typed, errors=errors_by_field(exc), status=422)
    return redirect(f"/jobs/{job.id}", 303)


def _page(
    here: Parts, typed: Mapping[str, str], *, errors: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    models, _ = here.volume.models.list(after=None, limit=_MODELS)
    model = here.volume.models.find(typed.get("model_id", "")) or (models[0] if models else None)
    if model is not None and model.id not in {one.id for one in models}:
        models = [model, *models]
    fields = fields_of(GenerateRequest)
    page = render_template(
        "write.html",
        models=models,
        model=model,
        with_passage={one.id for one in models if one.corpus_id and here.volume.corpora.find(one.corpus_id)},
        fields=fields,
        first=[fields[name] for name in _FIRST],
        folded=[fields[name] for name in _FOLDED],
        typed=typed,
        errors=errors or {},
        marked=_marked(model, typed.get("prompt", "")) if errors and "prompt" in errors and model else [],
    )
    return make_response(page, status)


def _marked(model: volume.Model, text: str) -> list[tuple[str, bool]]:
    """Cut a prompt into pieces that the model knows and pieces that it doesn't."""
    known = Vocabulary(model.vocabulary)
    fitted = prompt.fitted(text, lowercase=bool(model.params.get("lowercase", True)), drop_bom=model.recipe == "stream")
    pieces: list[tuple[str, bool]] = []
    for character in fitted:
        strange = character not in known
        if pieces and pieces[-1][1] == strange:
            pieces[-1] = (pieces[-1][0] + character, strange)
        else:
            pieces.append((character, strange))
    return pieces
