"""Corpora: upload, list, read and delete texts. What changes or derives them is in `web/api/corpus_edits.py`."""

from collections.abc import Mapping
from typing import Any

from flask import Response

from shared import volume
from shared.errors import InvalidRequest
from shared.jobs.record import Job as JobRecord
from web.http.conditional import check_preconditions, reply_file
from web.http.endpoints import API, ResponseSpec
from web.http.queries import CorporaQuery, CorpusQuery
from web.http.responses import (
    UNCHANGED,
    etag_of_view,
    file_name_of,
    json_response,
    reply,
    reply_accepted,
    reply_empty,
    reply_versioned,
)
from web.http.schemas import Corpus, Job, Page, page_of
from web.http.uploads import column_of, multipart, receive_all
from web.services import services
from web.submission import quotas
from web.submission.cancellation import retire
from web.submission.extracting import extract, is_plain

api = API("corpora")

_UPLOAD: Mapping[str, Mapping[str, Any]] = {
    "multipart/form-data": multipart(
        "A file, or several, which become one text in the natural order of their names.",
        name="Its name; the file's if omitted.",
        several=True,
    ),
    "text/plain": {"type": "string", "description": "The text itself."},
}


@api.call(
    "POST",
    "/corpora",
    raw_body=_UPLOAD,
    query=CorpusQuery,
    responses={
        200: json_response("These bytes were uploaded before: the corpus that they became.", Corpus, "Location"),
        201: json_response("The new corpus.", Corpus, "Location"),
        202: json_response(
            "The queued job that extracts the text; its result has the corpus.", Job, "Location", "Retry-After", "ETag"
        ),
    },
    problems=(400, 413, 415, 422),
)
def create_corpus(query: CorpusQuery) -> Response:
    """Upload a text to train on.

    UTF-8 with or without BOM, the encoding that the query names, or another one that can be recognized for certain;
    line ends become LF. `column` takes one column of a table: CSV, TSV, or JSON lines. A text that is empty, only white
    space, binary, too large or wrongly encoded is refused, and nothing of it is kept; the error names the line and the
    byte. A column that the table lacks is refused with the names of those it has.

    A file in another format (EPUB, HTML, DOCX, ODT, FB2, RTF, PDF, Markdown, subtitles, .gz, .zip), and several files
    at once, become a text by a job of type `extract`, whose result names the corpus. A text/plain body is taken as it
    is.
    """
    here = services()
    limit = here.settings.max_corpus_bytes
    uploads = receive_all(limit=limit, name=query.name, plain=True)
    upload = uploads[0]
    if query.column is None and not is_plain(uploads):
        found = extract(here, uploads, encoding=query.encoding)
        return reply_accepted(found) if isinstance(found, JobRecord) else _reply_corpus(found, 200)
    if len(uploads) > 1:
        raise InvalidRequest.at("/column", "column is for a single table, but the body has several files")
    corpus, new = here.volume.corpora.add(
        upload.stream,
        name=upload.name,
        max_bytes=limit,
        encoding=query.encoding,
        column=column_of(upload, query.column, query.format),
        **quotas.keeping(here),
    )
    return _reply_corpus(corpus, 201 if new else 200)


def _reply_corpus(corpus: volume.Corpus, status: int) -> Response:
    return reply(Corpus.of(corpus), status, {"Location": f"/api/v1/corpora/{corpus.id}"})


@api.call(
    "GET",
    "/corpora",
    query=CorporaQuery,
    responses={200: json_response("A page of corpora.", Page[Corpus])},
    problems=(422,),
)
def list_corpora(query: CorporaQuery) -> Response:
    """List the corpora.

    Newest first, unless `order` says otherwise; `after` takes the `last_id` of the page before; filtered by name,
    metadata and kind.
    """
    found, has_more = services().volume.corpora.list(
        after=query.after, limit=query.limit, newest_first=query.order == "desc", where=query.accepts
    )
    return reply(page_of([Corpus.of(corpus) for corpus in found], has_more=has_more))


@api.call(
    "GET",
    "/corpora/<corpus_id>",
    headers={"If-None-Match": UNCHANGED},
    responses={
        200: json_response("The corpus.", Corpus, "ETag"),
        304: ResponseSpec(description="It has not changed.", headers=("ETag",)),
    },
    problems=(404,),
)
def get_corpus(corpus_id: str) -> Response:
    """Get a corpus: name, sizes, encoding and the beginning of its text.

    Its text never changes, and the same bytes are the same corpus. Its `ETag` is what `If-Match` of a change takes.
    """
    return reply_versioned(Corpus.of(services().volume.corpora.get(corpus_id)))


@api.call(
    "GET",
    "/corpora/<corpus_id>/text",
    headers={"Range": "A range of bytes of the text.", "If-None-Match": UNCHANGED},
    responses={
        200: ResponseSpec(description="The text, its line ends LF.", content={"text/plain": str}, headers=("ETag",)),
        206: ResponseSpec(description="The requested range.", headers=("ETag", "Content-Range")),
        304: ResponseSpec(description="It has not changed.", headers=("ETag",)),
    },
    problems=(404, 416),
)
def get_corpus_text(corpus_id: str) -> Response:
    """Download the text of a corpus.

    As it is trained on: in UTF-8 with LF line ends. A range of bytes can be asked for.
    """
    corpora = services().volume.corpora
    corpus = corpora.get(corpus_id)
    path = corpora.text_path(corpus_id)
    name = f"{file_name_of(corpus.name) or 'text'}.txt"
    return reply_file(path, mimetype="text/plain", etag=corpus.sha256, download_name=name, inline=True)


@api.call(
    "DELETE",
    "/corpora/<corpus_id>",
    headers={"If-Match": "An ETag: only this version of the corpus is deleted; 412 otherwise."},
    responses={204: ResponseSpec(description="It is deleted.")},
    problems=(404, 409, 412),
)
def delete_corpus(corpus_id: str) -> Response:
    """Delete a corpus.

    409 while a queued or running job uses it, except for its examination, which is cancelled. Models that were trained
    on it stay.
    """
    here = services()

    def check() -> None:
        check_preconditions(lambda: etag_of_view(Corpus.of(here.volume.corpora.get(corpus_id))))
        retire(here, corpus_id)

    here.volume.corpora.delete(corpus_id, check=check)
    return reply_empty()
