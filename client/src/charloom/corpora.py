"""The calls for corpora."""

import io
import os
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from charloom.calls import Calls, M, call, iterate
from charloom.download import Tell, download
from charloom.finding_records import Cleaning, Findings
from charloom.ids import api_path, id_of
from charloom.job_records import Job, JobFailed
from charloom.jobs import key_header
from charloom.listing import items
from charloom.record import Listing
from charloom.records import Character, Corpus
from charloom.values import Order, TableFormat, TextKind
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
                that the bytes identify for certain.
            column: of a table, take only this column, one value per line.
            table: the table's format; left out, it is derived from the file's name.

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
        self,
        *,
        name: str | None = None,
        metadata: tuple[str, str] | None = None,
        kind: TextKind | None = None,
        order: Order = "desc",
        after: str | None = None,
        limit: int | None = None,
    ) -> AsyncGenerator[Corpus, None]:
        """Yield the corpora, newest first.

        Args:
            name: only those whose name contains this, in any case.
            metadata: only those with this key and value.
            kind: only lists, or only other texts.
            order: "desc" for newest first.
            after: only corpora after the one with this id.
            limit: how many at most.
        """
        pair = None if metadata is None else "=".join(metadata)
        query = {"name": name, "metadata": pair, "kind": kind, "order": order, "after": after}
        async for corpus in items(self._transport, Corpus, api_path("corpora"), query, limit=limit):
            yield corpus

    @call
    async def get(self, corpus: Corpus | str) -> Corpus:
        """Return a corpus. Raises NotFound."""
        return await self._transport.record(Corpus, "GET", api_path("corpora", id_of(corpus, "cor")))

    @call
    async def patch(
        self, corpus: Corpus | str, *, name: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Corpus:
        """Change name or metadata of a corpus, and return it; what is left out stays. Raises NotFound, Invalid."""
        changes = {"name": name, "metadata": None if metadata is None else dict(metadata)}
        changes = {field: value for field, value in changes.items() if value is not None}
        return await self._transport.record(Corpus, "PATCH", api_path("corpora", id_of(corpus, "cor")), json=changes)

    @call
    async def join(
        self, corpora: Iterable[Corpus | str], *, name: str | None = None, separator: str | None = None
    ) -> Corpus:
        """Join corpora into a new one, in this order, and return it; the same ones again give the existing one.

        Args:
            corpora: 2 to 100.
            name: what to call it; made from the first one's name when left out.
            separator: what separates two texts; a blank line, or that of the lists, when left out.

        Raises:
            Invalid: one is unknown or named twice, or a list can't be joined with the others.
            TooLarge: they are too large together.
        """
        body = {"corpus_ids": [id_of(one, "cor") for one in corpora], "name": name, "separator": separator}
        body = {field: value for field, value in body.items() if value is not None}
        path = api_path("corpora", "join")
        return await self._transport.record(Corpus, "POST", path, json=body, repeatable=True, timeout=READING_S)

    @call
    async def vocabulary(self, corpus: Corpus | str) -> Sequence[Character]:
        """Return the characters of a text with their counts, the most frequent first. Raises NotFound."""
        path = api_path("corpora", id_of(corpus, "cor"), "vocabulary")
        page = await self._transport.record(Listing, "GET", path, timeout=READING_S)
        return [self._transport.read(Character, row) for row in page.data]

    @call
    async def download(
        self,
        corpus: Corpus | str,
        target: str | os.PathLike[str] = ".",
        *,
        overwrite: bool = False,
        tell: Tell | None = None,
    ) -> Path:
        """Download a text as it is stored, in UTF-8 with LF line ends, resuming a download that broke off.

        Args:
            corpus: the corpus.
            target: a file, or a directory, in which the file gets the server's name for it.
            overwrite: whether to replace an existing file.
            tell: called with the bytes downloaded so far and the total.

        Returns:
            The path of the file.

        Raises:
            FileExistsError, OSError: the file can't be written. NotFound.
        """
        path = api_path("corpora", id_of(corpus, "cor"), "text")
        return await download(self._transport, path, Path(target), overwrite=overwrite, tell=tell, checked=False)

    @call
    async def text(self, corpus: Corpus | str) -> str:
        """Return the text of a corpus as it is stored, with LF line ends. Raises NotFound."""
        return await self._transport.text(api_path("corpora", id_of(corpus, "cor"), "text"))

    @call
    async def findings(self, corpus: Corpus | str) -> Findings:
        """Return what is odd in a text; if it hasn't been examined yet, wait for that. Raises NotFound, JobFailed."""
        path = api_path("corpora", id_of(corpus, "cor"), "findings")
        while True:
            found = await self._transport.document("GET", path)
            if found.get("object") != "job":
                return self._transport.read(Findings, found)
            job = await wait_for(self._transport, self._transport.read(Job, found))
            if job.status != "succeeded":
                raise JobFailed(job)

    @call
    async def clean(
        self,
        corpus: Corpus | str,
        *remedies: str,
        name: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Clean a text into a new one by some remedies, or by those that are advised if none is named; return the job.

        `cleaned` waits for the new text.

        Args:
            corpus: the text, which stays as it is.
            remedies: words of remedies, as the findings name them.
            name: the new text's name; that of the text with ", cleaned" if left out.
            idempotency_key: the same key again gives the same job.

        Raises:
            NotFound, Invalid.
        """
        asked = {"remedies": list(remedies) or "advised"} | ({"name": name} if name else {})
        path = api_path("corpora", id_of(corpus, "cor"), "clean")
        headers = key_header(idempotency_key)
        return await self._transport.record(Job, "POST", path, json=asked, headers=headers, repeatable=True)

    @call
    async def cleaned(self, job: Job | str) -> Corpus:
        """Wait for the end of a clean job and return its corpus: the same where nothing was odd. Raises JobFailed."""
        return await self._extracted(job)

    @call
    async def cleaning(self, corpus: Corpus | str) -> Cleaning:
        """Return how a cleaned text was made, with some of the changes. Raises NotFound for other texts."""
        return await self._transport.record(Cleaning, "GET", api_path("corpora", id_of(corpus, "cor"), "cleaning"))

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
        if found.get("object") == "job":
            return self._transport.read(Job, found)
        return self._transport.read(Corpus, found)

    async def _settle(self, found: Corpus | Job) -> Corpus:
        return await self._extracted(found) if isinstance(found, Job) else found

    async def _extracted(self, job: Job | str) -> Corpus:
        ended = await wait_for(self._transport, job)
        if ended.status != "succeeded" or ended.corpus_id is None:
            raise JobFailed(ended)
        return await self._transport.record(Corpus, "GET", api_path("corpora", ended.corpus_id))
