"""The calls for corpora."""

import io
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from charloom.calls import Calls, M, call, iterate
from charloom.ids import api_path, id_of
from charloom.listing import items
from charloom.records import Corpus, Job, JobFailed
from charloom.values import Order, TableFormat
from charloom.waiting import wait_for

#: Seconds that the server may take to read a large text once it has it.
READING_S = 300.0


class Corpora(Calls[M]):
    """Calls for corpora. All raise Unreachable and ApiError; those that take an id raise InvalidId."""

    @call
    async def add(
        self,
        *paths: str | os.PathLike[str],
        name: str | None = None,
        encoding: str | None = None,
        column: str | None = None,
        table: TableFormat | None = None,
    ) -> Corpus:
        """Upload a text file and return the corpus; the same bytes again give the existing one.

        A file that isn't plain text (EPUB, HTML, DOCX, ODT, FB2, RTF, PDF, Markdown, subtitles, .gz, .zip), and several
        files, become a text by a job, whose end is waited for. `upload` doesn't wait.

        Args:
            paths: the file; of several, the text is in the natural order of their names.
            name: what to call it; the file's name when left out.
            encoding: its encoding, such as "windows-1252" or "gbk"; left out, the server detects UTF-8 and others
                that the bytes tell for certain.
            column: of a table, take only this column, one value per line.
            table: the table's format; left out, the file's name tells it.

        Raises:
            OSError: the file can't be read.
            Invalid, TooLarge: it isn't a text to train on, isn't valid in its encoding, or lacks the column.
            JobFailed: no text can be extracted from it.
        """
        return await self._settle(await self._send(paths, name, encoding=encoding, column=column, format=table))

    @call
    async def upload(
        self,
        *paths: str | os.PathLike[str] | tuple[str, bytes],
        name: str | None = None,
        encoding: str | None = None,
        column: str | None = None,
        table: TableFormat | None = None,
    ) -> Corpus | Job:
        """Upload as `add`, and return at once: a corpus, or the job that extracts it (see `extracted`).

        Args:
            paths: files, or pairs of a name and bytes.
            name: as `add`, and the rest, too.
            encoding: as `add`.
            column: as `add`.
            table: as `add`.
        """
        return await self._send(paths, name, encoding=encoding, column=column, format=table)

    @call
    async def extracted(self, job: Job | str) -> Corpus:
        """Wait for the end of an extract job and return its corpus. Raises JobFailed, NotFound."""
        return await self._extracted(job)

    @call
    async def add_bytes(
        self,
        content: bytes,
        *,
        name: str,
        encoding: str | None = None,
        column: str | None = None,
        table: TableFormat | None = None,
    ) -> Corpus:
        """Upload the bytes of a file. The options and what is raised are those of `add`."""
        return await self._settle(
            await self._send([(name, content)], name, encoding=encoding, column=column, format=table)
        )

    @call
    async def add_text(self, text: str, *, name: str) -> Corpus:
        """Upload a text, which is taken as it is, marks of HTML or Markdown included. Raises as `add`."""
        return await self._transport.record(
            Corpus,
            "POST",
            api_path("corpora"),
            repeatable=True,
            content=text.encode("utf-8"),
            headers={"Content-Type": "text/plain; charset=utf-8"},
            params={"name": name} if name else {},
            timeout=READING_S,
        )

    @iterate
    async def list(
        self, *, order: Order = "desc", after: str | None = None, limit: int | None = None
    ) -> AsyncGenerator[Corpus, None]:
        """Yield the corpora, newest first; only those after an id, and at most `limit`, if given."""
        query = {"order": order, "after": after}
        async for corpus in items(self._transport, Corpus, api_path("corpora"), query, limit=limit):
            yield corpus

    @call
    async def get(self, corpus: Corpus | str) -> Corpus:
        """Return a corpus. Raises NotFound."""
        return await self._transport.record(Corpus, "GET", api_path("corpora", id_of(corpus, "cor")))

    @call
    async def text(self, corpus: Corpus | str) -> str:
        """Return the text of a corpus as it is stored, with LF line ends. Raises NotFound."""
        return await self._transport.text(api_path("corpora", id_of(corpus, "cor"), "text"))

    @call
    async def delete(self, corpus: Corpus | str) -> None:
        """Delete a corpus. Raises NotFound, or Conflict while a live job uses it."""
        await self._transport.send("DELETE", api_path("corpora", id_of(corpus, "cor")))

    async def _send(
        self,
        paths: Sequence[str | os.PathLike[str] | tuple[str, bytes]],
        name: str | None,
        **query: str | None,
    ) -> Corpus | Job:
        with ExitStack() as stack:
            parts: list[tuple[str, tuple[str, BinaryIO, str]]] = []
            for path in paths:
                filename, file = (
                    (path[0], io.BytesIO(path[1]))
                    if isinstance(path, tuple)
                    else (Path(path).name, stack.enter_context(Path(path).open("rb")))
                )
                parts.append(("file", (filename, file, "application/octet-stream")))
            # The same bytes again are the same corpus, so sending them twice does no harm.
            found = await self._transport.document(
                "POST",
                api_path("corpora"),
                repeatable=True,
                files=parts,
                data={"name": name} if name else {},
                params={key: value for key, value in query.items() if value},
                timeout=READING_S,
            )
        return self._transport.read(Job if found.get("object") == "job" else Corpus, found)

    async def _settle(self, found: Corpus | Job) -> Corpus:
        return await self._extracted(found) if isinstance(found, Job) else found

    async def _extracted(self, job: Job | str) -> Corpus:
        ended = await wait_for(self._transport, job)
        if ended.status != "succeeded" or ended.corpus_id is None:
            raise JobFailed(ended)
        return await self._transport.record(Corpus, "GET", api_path("corpora", ended.corpus_id))
