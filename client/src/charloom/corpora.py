"""The calls for corpora."""

import io
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO

from charloom.calls import Calls, M, call, iterate
from charloom.ids import api_path, id_of
from charloom.listing import items
from charloom.records import Corpus
from charloom.values import Order, TableFormat

#: Seconds that the server may take to read a large text once it has it.
READING_S = 300.0


class Corpora(Calls[M]):
    """Calls for corpora. All raise Unreachable and ApiError; those that take an id raise InvalidId."""

    @call
    async def add(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        encoding: str | None = None,
        column: str | None = None,
        table: TableFormat | None = None,
    ) -> Corpus:
        """Upload a text file and return the corpus; the same bytes again give the existing one.

        Args:
            path: the file.
            name: what to call it; the file's name when left out.
            encoding: its encoding, such as "windows-1252" or "gbk"; left out, the server detects UTF-8 and others
                that the bytes tell for certain.
            column: of a table, take only this column, one value per line.
            table: the table's format; left out, the file's name tells it.

        Raises:
            OSError: the file can't be read.
            Invalid, TooLarge: it isn't a text to train on, isn't valid in its encoding, or lacks the column.
        """
        path = Path(path)
        with path.open("rb") as file:
            return await self._add(file, filename=path.name, name=name, encoding=encoding, column=column, format=table)

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
        """Upload the bytes of a text. The options and what is raised are those of `add`."""
        return await self._add(
            io.BytesIO(content), filename=name, name=name, encoding=encoding, column=column, format=table
        )

    @call
    async def add_text(self, text: str, *, name: str) -> Corpus:
        """Upload a text. Raises as `add`."""
        return await self._add(io.BytesIO(text.encode("utf-8")), filename=name, name=name)

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

    async def _add(self, file: BinaryIO, *, filename: str, name: str | None, **query: str | None) -> Corpus:
        # The same bytes again are the same corpus, so sending them twice does no harm.
        return await self._transport.record(
            Corpus,
            "POST",
            api_path("corpora"),
            repeatable=True,
            files={"file": (filename, file, "application/octet-stream")},
            data={"name": name} if name else {},
            params={key: value for key, value in query.items() if value},
            timeout=READING_S,
        )
