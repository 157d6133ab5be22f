"""The list of texts, and the page of one: read it, rename and tag it, join it with others, delete it."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, make_response, redirect, render_template, request
from pydantic import TypeAdapter
from werkzeug.wrappers import Response as AnyResponse

from shared.errors import Conflict, InvalidRequest, QuotaExceeded, TooLarge
from shared.requests.edits import CorpusJoin, CorpusPatch
from shared.text.items import split
from shared.text.text_stream import excerpt
from shared.volume import Corpus, Model
from shared.volume.corpus_joins import join
from shared.volume.corpus_vocabulary import RARE, vocabulary_of
from web.http.queries import CorporaQuery, ModelsQuery
from web.http.responses import file_name_of
from web.http.validation import check, check_strings
from web.pages import csrf
from web.pages.form_fields import errors_by_field
from web.services import Services, services
from web.submission import quotas
from web.submission.cancellation import retire

blueprint = Blueprint("texts_page", __name__)

_QUERY: TypeAdapter[CorporaQuery] = TypeAdapter(CorporaQuery)
_PATCH: TypeAdapter[CorpusPatch] = TypeAdapter(CorpusPatch)
_JOIN: TypeAdapter[CorpusJoin] = TypeAdapter(CorpusJoin)
_KINDS = {"": "All texts", "prose": "Prose", "list": "Lists"}
#: Characters of a text and items of a list that are shown at a time; rows of the table of characters.
PASSAGE, ITEMS, CHARACTERS = 2000, 100, 500
#: Newest models among which those of a list's texts are looked for, and how many a text's page shows.
_MAX_LOOKED_AT, _MODELS, _JOBS = 200, 20, 10


@dataclass(frozen=True, kw_only=True)
class Row:
    """A character of a text."""

    character: str
    name: str
    count: int
    share: float

    @property
    def rare(self) -> bool:
        """Whether it occurs too rarely to be learned."""
        return self.count < RARE


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A place of a text."""

    text: str
    start: int
    end: int
    previous: int
    last: int


@blueprint.get("/texts")
def show_list() -> Response:
    """List the texts that the address asks for."""
    return _list(services())


@blueprint.get("/texts/<corpus_id>")
def show(corpus_id: str) -> Response:
    """Show one text."""
    return _one(services(), corpus_id)


@blueprint.post("/texts/join")
def join_selected() -> AnyResponse:
    """Join the selected texts, in the order of the list, and show the new one."""
    here = services()
    form = csrf.form()
    sent = {"corpus_ids": form.getlist("id")[::-1], "name": form.get("name", "").strip() or None}
    try:
        if len(sent["corpus_ids"] or ()) < 2:
            raise InvalidRequest.at("/corpus_ids", "Select at least two texts to join.")
        body: CorpusJoin = check(_JOIN, {name: value for name, value in sent.items() if value})
        corpus, _ = join(
            here.volume.corpora,
            body.corpus_ids,
            name=body.name,
            separator=None,
            max_bytes=here.settings.max_corpus_bytes,
            **quotas.keeping(here),
        )
    except InvalidRequest as exc:
        return _list(here, errors=errors_by_field(exc), status=422)
    except (QuotaExceeded, TooLarge) as exc:
        return _list(here, errors={"corpus_ids": exc.detail}, status=exc.status)
    return redirect(f"/texts/{corpus.id}", 303)


@blueprint.post("/texts/<corpus_id>/edit")
def edit(corpus_id: str) -> AnyResponse:
    """Change the name and the tags of a text."""
    here = services()
    form = csrf.form()
    typed = {name: form.get(name, "").strip() for name in ("name", "metadata")}
    try:
        patch: CorpusPatch = check(_PATCH, {"name": typed["name"], "metadata": _pairs(typed["metadata"])})
    except InvalidRequest as exc:
        return _one(here, corpus_id, typed=typed, errors=errors_by_field(exc), status=422)
    here.volume.corpora.edit(corpus_id, name=patch.name, metadata=patch.metadata)
    return redirect(f"/texts/{corpus_id}", 303)


@blueprint.post("/texts/<corpus_id>/delete")
def delete(corpus_id: str) -> AnyResponse:
    """Delete a text, or say which job uses it."""
    here = services()
    csrf.form()
    try:
        here.volume.corpora.delete(corpus_id, check=lambda: retire(here, corpus_id))
    except Conflict as exc:
        return _one(here, corpus_id, errors={"": exc.detail}, status=409)
    return redirect("/texts", 303)


def _list(here: Services, *, errors: Mapping[str, str] | None = None, status: int = 200) -> Response:
    asked = {name: value.strip() for name, value in request.args.items() if value.strip()}
    query: CorporaQuery = check_strings(_QUERY, asked)
    corpora, more = here.volume.corpora.list(
        after=query.after, limit=query.limit, newest_first=query.order == "desc", where=query.accepts
    )
    page = render_template(
        "texts.html",
        stored=quotas.shown(here),
        corpora=corpora,
        models=_models_by_corpus(here),
        query=query,
        filtered=bool(query.name or query.metadata or query.kind),
        kinds=[(name, _address(asked, kind=kind or None), kind == (query.kind or "")) for kind, name in _KINDS.items()],
        next_page=_address(asked, after=corpora[-1].id) if more else None,
        first_page=_address(asked) if query.after else None,
        errors=errors or {},
    )
    return make_response(page, status)


def _address(asked: Mapping[str, str], **changes: str | None) -> str:
    """Return the list's address with some filters changed, at its first page."""
    wanted = {name: value for name, value in {**asked, "after": None, **changes}.items() if value}
    return f"/texts?{urlencode(wanted)}" if wanted else "/texts"


def _models_by_corpus(here: Services) -> Mapping[str, Sequence[Model]]:
    """Return the newest models of each corpus."""
    found: dict[str, list[Model]] = {}
    for model in here.volume.models.list(after=None, limit=_MAX_LOOKED_AT)[0]:
        if model.corpus_id:
            found.setdefault(model.corpus_id, []).append(model)
    return found


def _one(
    here: Services,
    corpus_id: str,
    *,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    corpora = here.volume.corpora
    corpus = corpora.get(corpus_id)
    counts = vocabulary_of(corpora, corpus_id)
    rarest_first = request.args.get("order") == "rarest"
    query = ModelsQuery(corpus_id=corpus_id)
    models, more_models = here.volume.models.list(after=None, limit=_MODELS, where=query.accepts)
    jobs = here.store.jobs.page(corpus_id=corpus_id, limit=_JOBS)
    page = render_template(
        "text.html",
        corpus=corpus,
        file_name=f"{file_name_of(corpus.name) or 'text'}.txt",
        passage=_passage(here, corpus),
        items=_items(here, corpus),
        characters=list(islice(_rows(counts, corpus.chars, rarest_first=rarest_first), CHARACTERS)),
        rarest_first=rarest_first,
        rare=[character for character, count in counts.items() if count < RARE],
        limit=RARE,
        parents=[(one, corpora.find(one)) for one in ((corpus.parent_id,) if corpus.parent_id else corpus.parent_ids)],
        models=models,
        more_models=more_models,
        jobs=jobs.jobs,
        more_jobs=jobs.has_more,
        typed=typed or {"name": corpus.name, "metadata": _lines(corpus.metadata)},
        errors=errors or {},
    )
    return make_response(page, status)


def _rows(counts: Mapping[str, int], chars: int, *, rarest_first: bool) -> Iterator[Row]:
    pairs = list(counts.items())
    for character, count in reversed(pairs) if rarest_first else pairs:
        name = unicodedata.name(character, "").lower() or {"\n": "line end", "\t": "tab"}.get(character, "")
        yield Row(character=character, name=name, count=count, share=count / chars)


def _passage(here: Services, corpus: Corpus) -> Passage:
    """Return the place of the text that the address asks for, the beginning where it asks for none."""
    last = max(0, corpus.chars - PASSAGE)
    start = min(_number("at"), last)
    text = excerpt(here.volume.corpora.parts(corpus.id), start, PASSAGE)
    return Passage(text=text, start=start, end=start + len(text), previous=max(0, start - PASSAGE), last=last)


def _items(here: Services, corpus: Corpus) -> dict[str, Any] | None:
    """Return the items of a list that the address asks for; None if it is no list."""
    if corpus.items is None:
        return None
    start = min(_number("item"), max(0, corpus.items.count - 1))
    found = split(here.volume.corpora.parts(corpus.id), corpus.items.separator)
    shown = list(islice(found, start, start + ITEMS))
    return {
        "rows": shown,
        "start": start,
        "end": start + len(shown),
        "short": max(map(len, shown), default=0) <= 60,
        "previous": max(0, start - ITEMS),
    }


def _number(name: str) -> int:
    """Return a number of the address; 0 where it isn't one."""
    text = request.args.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _pairs(text: str) -> dict[str, str]:
    """Return tags that were typed one per line, "key=value", as metadata."""
    lines = [line.partition("=") for line in text.splitlines() if line.strip()]
    return {key.strip(): value.strip() for key, _, value in lines}


def _lines(metadata: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={value}" if value else key for key, value in metadata.items())
