"""Corpora: send a text, list them, read one, delete one."""

from collections.abc import Mapping
from typing import Any

from flask import Response, send_file

from web.http.endpoints import API, ResponseSpec
from web.http.queries import CorporaQuery, CorpusQuery
from web.http.responses import json_answer, reply, reply_empty
from web.http.schemas import Corpus, Page, page_of
from web.http.uploads import receive
from web.services import services

api = API("corpora")

_UPLOAD: Mapping[str, Mapping[str, Any]] = {
    "multipart/form-data": {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {
            "file": {"type": "string", "format": "binary", "description": "A text file."},
            "name": {"type": "string", "maxLength": 200, "description": "Its name; the file's when left out."},
        },
    },
    "text/plain": {"type": "string", "description": "The text itself."},
}


@api.call(
    "POST",
    "/corpora",
    raw_body=_UPLOAD,
    query=CorpusQuery,
    answers={
        200: json_answer("These bytes are there already: the corpus they made.", Corpus, "Location"),
        201: json_answer("The new corpus.", Corpus, "Location"),
    },
    problems=(400, 413, 415, 422),
)
def send_corpus(query: CorpusQuery) -> Response:
    """Send a text to train on.

    UTF-8 with or without BOM, the encoding that the query names, or another one that the bytes tell for certain. Line
    ends become LF. Nothing is kept of a text that is empty, only white space, binary, too large, or wrongly encoded;
    the error names the line and the byte.
    """
    here = services()
    limit = here.settings.max_corpus_bytes
    upload = receive(limit=limit, name=query.name, plain=True)
    corpus, new = here.volume.corpora.add(upload.stream, name=upload.name, max_bytes=limit, encoding=query.encoding)
    return reply(Corpus.of(corpus), 201 if new else 200, {"Location": f"/api/v1/corpora/{corpus.id}"})


@api.call(
    "GET",
    "/corpora",
    query=CorporaQuery,
    answers={200: json_answer("A page of corpora.", Page[Corpus])},
    problems=(422,),
)
def list_corpora(query: CorporaQuery) -> Response:
    """List the corpora."""
    found, has_more = services().volume.corpora.list(
        after=query.after, limit=query.limit, newest_first=query.order == "desc"
    )
    return reply(page_of([Corpus.of(corpus) for corpus in found], has_more=has_more))


@api.call("GET", "/corpora/<corpus_id>", answers={200: json_answer("The corpus.", Corpus)}, problems=(404,))
def get_corpus(corpus_id: str) -> Response:
    """Get what is known of a corpus."""
    return reply(Corpus.of(services().volume.corpora.get(corpus_id)))


@api.call(
    "GET",
    "/corpora/<corpus_id>/text",
    headers={"Range": "A part of the text, in bytes.", "If-None-Match": "An ETag: 304 where the text hasn't changed."},
    answers={
        200: ResponseSpec(description="The text, its line ends LF.", content={"text/plain": str}, headers=("ETag",)),
        206: ResponseSpec(description="The part asked for.", headers=("ETag", "Content-Range")),
        304: ResponseSpec(description="It has not changed.", headers=("ETag",)),
    },
    problems=(404, 416),
)
def get_corpus_text(corpus_id: str) -> Response:
    """Get a corpus' text."""
    corpora = services().volume.corpora
    corpus = corpora.get(corpus_id)
    path = corpora.text_path(corpus_id)
    return send_file(path, mimetype="text/plain", conditional=True, etag=corpus.sha256)


@api.call("DELETE", "/corpora/<corpus_id>", answers={204: ResponseSpec(description="It is gone.")}, problems=(404, 409))
def delete_corpus(corpus_id: str) -> Response:
    """Delete a corpus. A live job that uses it forbids that."""
    here = services()
    here.volume.corpora.folder(corpus_id)
    here.store.jobs.retire(corpus_id)
    here.volume.corpora.delete(corpus_id)
    return reply_empty()
