"""Texts to learn from."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from charloom.listing import every
from charloom.records import Corpus
from charloom.transport import Transport

_PATH = "/api/v1/corpora"
#: Seconds that the server may take to read a large text once it is there.
READING_S = 300.0


class Corpora:
    """Calls that concern texts. Any of them raises Unreachable or ApiError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def add(self, path: str | os.PathLike[str], *, name: str | None = None) -> Corpus:
        """Send a file and return the corpus; the same bytes again give the one that is there already.

        Raises:
            OSError: it can't be read.
            Invalid, TooLarge: it won't do as a text.
        """
        path = Path(path)
        with path.open("rb") as file:
            return self._add(file, filename=path.name, name=name)

    def add_bytes(self, content: bytes, *, name: str) -> Corpus:
        """Send a text as bytes, in UTF-8 or any encoding that can be told from them. Raises as `add`."""
        return self._add(io.BytesIO(content), filename=name, name=name)

    def add_text(self, text: str, *, name: str) -> Corpus:
        """Send a text. Raises as `add`."""
        return self.add_bytes(text.encode("utf-8"), name=name)

    def list(
        self, *, order: Literal["asc", "desc"] = "desc", after: str | None = None, limit: int | None = None
    ) -> Iterator[Corpus]:
        """Yield the corpora, newest first; those after an id, and so many, where that is said."""
        return every(self._transport, Corpus, _PATH, {"order": order, "after": after}, limit=limit)

    def get(self, corpus_id: str) -> Corpus:
        """Return a corpus. Raises NotFound."""
        return self._transport.record(Corpus, "GET", f"{_PATH}/{corpus_id}")

    def text(self, corpus: Corpus | str) -> str:
        """Return a corpus' text as it is stored, its line ends LF. Raises NotFound."""
        corpus_id = corpus if isinstance(corpus, str) else corpus.id
        return self._transport.text(f"{_PATH}/{corpus_id}/text")

    def delete(self, corpus: Corpus | str) -> None:
        """Delete a corpus. Raises NotFound, or Conflict while a live job uses it."""
        corpus_id = corpus if isinstance(corpus, str) else corpus.id
        self._transport.send("DELETE", f"{_PATH}/{corpus_id}")

    def _add(self, file: BinaryIO, *, filename: str, name: str | None) -> Corpus:
        # The same bytes again are the same corpus, so sending them twice does no harm.
        fields = {"name": name} if name else {}
        sent = {"file": (filename, file, "application/octet-stream")}
        return self._transport.record(
            Corpus, "POST", _PATH, repeatable=True, files=sent, data=fields, timeout=READING_S
        )
