"""The two recipes as the first page shows them: what each would make of a text, with the options as they are typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter

from shared.errors import InvalidRequest
from shared.requests.estimate import Estimate
from shared.requests.options import AnyTrainRequest, ClassicRequest, StreamRequest
from shared.text import text_stream
from shared.volume import Corpus
from web.http.validation import check_strings
from web.pages.form_fields import FormField, errors_by_field, fields_of
from web.services import Services
from web.submission import training

_REQUEST: TypeAdapter[training.Training] = TypeAdapter(AnyTrainRequest)
#: Not among the options: asked for elsewhere, or not by a form.
_APART = ("corpus_id", "recipe", "name", "metadata", "webhook")
#: Longest text whose characters are listed, and most of them: beyond, reading it would take the page a second.
_MAX_READ_CHARS, _MAX_LISTED = 8_000_000, 2_000

_ABOUT = {
    "stream": "Learns from every character and carries its memory along the text. The same quality hundreds of times "
    "sooner: take this one.",
    "classic": "The recipe of the original document, number for number: windows of 100 characters, one target each. "
    "Slow; take it to reproduce the document.",
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One of the two recipes."""

    name: str
    about: str
    fields: Mapping[str, FormField]
    #: The training with every option concrete, and what it takes; None where it can't be.
    fitted: training.Training | None = None
    estimate: Estimate | None = None
    #: Why it can't be, and by field.
    refusal: str | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


def recipe_of(
    here: Services, kind: type[StreamRequest] | type[ClassicRequest], corpus: Corpus, typed: Mapping[str, str]
) -> Recipe:
    """Return a recipe with what it would make of this text, the options as typed."""
    name = kind.kind.name
    fields = {key: field for key, field in fields_of(kind).items() if key not in _APART}
    try:
        fitted = training.resolve(here, wished({**typed, "corpus_id": corpus.id, "recipe": name}), seed=0)
        estimate = training.estimate_training(here, fitted)
        return Recipe(name=name, about=_ABOUT[name], fields=fields, fitted=fitted, estimate=estimate)
    except InvalidRequest as exc:
        return Recipe(name=name, about=_ABOUT[name], fields=fields, refusal=exc.detail, errors=errors_by_field(exc))


def wished(typed: Mapping[str, str]) -> training.Training:
    """Return the request that a form's fields make; an empty one is left out. Raises InvalidRequest."""
    wish: training.Training = check_strings(
        _REQUEST, {name: value.strip() for name, value in typed.items() if value.strip()}
    )
    return wish


def vocabulary_of(here: Services, corpus: Corpus) -> str | None:
    """Return the distinct characters of a text, the first of them by code point; None where it is too long to read."""
    if corpus.chars > _MAX_READ_CHARS:
        return None
    return _vocabulary(here.volume.corpora.text_path(corpus.id), corpus.sha256)


@lru_cache(maxsize=64)
def _vocabulary(path: Path, _sha256: str) -> str:
    found: set[str] = set()
    for part in text_stream.read(path):
        found.update(part)
    return "".join(sorted(found)[:_MAX_LISTED])
