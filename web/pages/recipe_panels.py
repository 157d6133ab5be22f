"""The two recipes as the first page shows them, with an estimate for a text and the options as typed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from shared.errors import InvalidRequest
from shared.jobs.record import StartingPoint
from shared.requests.estimate import Estimate
from shared.requests.options import AnyTrainRequest, ClassicRequest, StreamRequest
from shared.volume import Corpus
from web.http.validation import check_strings
from web.pages.form_fields import RANDOM, FormField, errors_by_field, fields_of
from web.services import Services
from web.submission import training

_REQUEST: TypeAdapter[training.Training] = TypeAdapter(AnyTrainRequest)
#: Not among the options: elsewhere in the form, or not in it.
_APART = ("corpus_id", "recipe", "name", "metadata", "webhook")
#: Longest text whose characters are listed (reading a longer one would take over a second), and most of them.
_MAX_READ_CHARS, _MAX_LISTED = 8_000_000, 2_000

_ABOUT = {
    "stream": "Trains on every character and carries its state along the text. The same quality hundreds of times "
    "sooner: choose this one.",
    "classic": "The recipe of the tutorial that Charloom began with, number for number: windows of 100 characters with "
    "one target each. Slow; choose it to reproduce the tutorial.",
}


@dataclass(frozen=True, kw_only=True)
class RecipePanel:
    """One of the two recipes."""

    name: str
    about: str
    fields: Mapping[str, FormField]
    #: The training with every option set, and its estimate; None if the options can't be used.
    fitted: training.Training | None = None
    estimate: Estimate | None = None
    starting_point: StartingPoint | None = None
    #: Why they can't, as a whole and by field.
    refusal: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


def panel_of(
    here: Services, kind: type[StreamRequest] | type[ClassicRequest], corpus: Corpus, typed: Mapping[str, str]
) -> RecipePanel:
    """Return a recipe with its estimate for this text, with the options as typed."""
    name = kind.kind.name
    fields = {key: field for key, field in fields_of(kind).items() if key not in _APART}
    try:
        resolved = training.resolve(here, requested({**typed, "corpus_id": corpus.id, "recipe": name}), seed=0)
        estimate = training.estimate_training(here, resolved)
        return RecipePanel(
            name=name,
            about=_ABOUT[name],
            fields=fields,
            fitted=resolved.request,
            estimate=estimate,
            starting_point=resolved.starting_point,
        )
    except InvalidRequest as exc:
        return RecipePanel(
            name=name, about=_ABOUT[name], fields=fields, refusal=exc.detail, errors=errors_by_field(exc)
        )


def requested(typed: Mapping[str, str]) -> training.Training:
    """Return the request of a form's fields; empty ones are omitted. Raises InvalidRequest."""
    sent: dict[str, Any] = {name: value.strip() for name, value in typed.items() if value.strip()}
    if sent.get("init_from") == RANDOM:
        sent["init_from"] = None
    if "items" in sent:
        sent["items"] = _items(sent["items"])
    request: training.Training = check_strings(_REQUEST, sent)
    return request


def _items(typed: str) -> Any:
    try:
        return json.loads(typed)
    except ValueError as exc:
        raise InvalidRequest.at("/items", "items must be null or an object with a separator, in JSON") from exc


def vocabulary_of(here: Services, corpus: Corpus) -> str | None:
    """Return a text's distinct characters, the first of them by code point; None if it is too long to read."""
    if corpus.chars > _MAX_READ_CHARS:
        return None
    text = here.volume.corpora.text_path(corpus.id)
    return "".join(sorted(training.characters_of(text, lowercase=False, drop_bom=False))[:_MAX_LISTED])
