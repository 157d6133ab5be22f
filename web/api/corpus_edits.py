"""Corpora: rename and tag them, join them, count their characters. A text itself never changes."""

from flask import Response

from shared.requests.edits import CorpusJoin, CorpusPatch
from shared.volume.corpus_joins import join
from shared.volume.corpus_vocabulary import vocabulary_of
from web.api.corpora import api
from web.http.conditional import check_preconditions
from web.http.endpoints import ResponseSpec
from web.http.responses import UNCHANGED, etag_of_view, json_response, reply, reply_versioned
from web.http.schemas import Character, Corpus, Page, page_of
from web.openapi.examples import CORPUS_PATCH, JOIN
from web.services import services
from web.submission import quotas

__all__ = ["api"]


@api.call(
    "PATCH",
    "/corpora/<corpus_id>",
    body=CorpusPatch,
    examples=CORPUS_PATCH,
    headers={"If-Match": "An ETag: the change is made only to this version of the corpus; 412 otherwise."},
    responses={200: json_response("The corpus as it is now.", Corpus, "ETag")},
    problems=(400, 404, 412, 413, 415, 422),
)
def update_corpus(corpus_id: str, body: CorpusPatch) -> Response:
    """Change a corpus's name or metadata.

    Fields that are left out stay as they are, and so does the text. With `If-Match`, the change is made only to the
    version with this ETag.
    """
    corpora = services().volume.corpora
    corpus = corpora.edit(
        corpus_id,
        name=body.name,
        metadata=body.metadata,
        check=lambda: check_preconditions(lambda: etag_of_view(Corpus.of(corpora.get(corpus_id)))),
    )
    return reply_versioned(Corpus.of(corpus))


@api.call(
    "POST",
    "/corpora/join",
    body=CorpusJoin,
    examples=JOIN,
    responses={
        200: json_response("There is such a text already: its corpus.", Corpus, "Location"),
        201: json_response("The new corpus.", Corpus, "Location"),
    },
    problems=(400, 413, 415, 422),
)
def join_corpora(body: CorpusJoin) -> Response:
    """Join texts into a new one.

    In the order given; the texts themselves stay. Lists can be joined with lists that have the same separator, and
    other texts with each other. The same texts joined again, or the same bytes uploaded, are one corpus.
    """
    here = services()
    corpus, new = join(
        here.volume.corpora,
        body.corpus_ids,
        name=body.name,
        separator=body.separator,
        max_bytes=here.settings.max_corpus_bytes,
        **quotas.keeping(here),
    )
    return reply(Corpus.of(corpus), 201 if new else 200, {"Location": f"/api/v1/corpora/{corpus.id}"})


@api.call(
    "GET",
    "/corpora/<corpus_id>/vocabulary",
    headers={"If-None-Match": UNCHANGED},
    responses={
        200: json_response("All characters.", Page[Character], "ETag"),
        304: ResponseSpec(description="It has not changed.", headers=("ETag",)),
    },
    problems=(404,),
)
def list_characters(corpus_id: str) -> Response:
    """List the characters of a text, the most frequent first.

    All of them, as the text is stored; a training with `lowercase` reads fewer.
    """
    counts = vocabulary_of(services().volume.corpora, corpus_id)
    characters = [Character(character=one, count=count) for one, count in counts.items()]
    return reply_versioned(page_of(characters, key=None))
