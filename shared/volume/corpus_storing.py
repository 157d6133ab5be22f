"""The files of a new corpus: what was sent, its text decoded, and what is counted of it. Knows no other corpora."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from shared.errors import InvalidRequest, TooLarge
from shared.ids import new_id
from shared.text.items import Items, tally
from shared.text.list_recognition import recognized
from shared.text.text_stream import Lowering, read
from shared.volume.columns import Column, values
from shared.volume.corpus_record import Corpus
from shared.volume.decoding import decoded
from shared.volume.files import committed

_CHUNK_BYTES = 1 << 20
_PREVIEW_CHARS = 300


def receive(stream: BinaryIO, path: Path, max_bytes: int) -> str:
    """Write a stream to `path` and return its sha256."""
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        while chunk := stream.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge(
                    f"The text is larger than {max_bytes:,} bytes, the most that is accepted here. Send a part of it."
                )
            digest.update(chunk)
            file.write(chunk)
    if size == 0:
        raise InvalidRequest.at("/file", "The text is empty. Send one of at least 1,000 characters to train on.")
    return digest.hexdigest()


def store(
    folder: Path, sent: Path, encoding: str, *, name: str, sha256: str, column: Column | None, separator: str | None
) -> Corpus:
    """Write the decoded text into a corpus's folder, and count it."""
    chars = lines = 0
    seen: set[str] = set()
    seen_lower: set[str] = set()
    lowering = Lowering()
    preview, last, only_space = "", "", True
    parts = decoded(sent, encoding)
    if column is not None:
        parts = values(parts, column)
    with committed(folder / "text.txt") as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for part in parts:
            chars += len(part)
            lines += part.count("\n")
            seen.update(part)
            seen_lower.update(lowering.feed(part))
            preview = preview or part[:_PREVIEW_CHARS]
            last = part[-1:] or last
            only_space = only_space and not part.strip(" \t\n\r\f\v\u00a0\ufeff\u3000")
            file.write(part)
        seen_lower.update(lowering.end())
    if "\0" in seen:
        raise InvalidRequest.at("/file", "The text contains NUL characters (U+0000). Remove them and send it again.")
    if only_space:
        raise InvalidRequest.at("/file", "The text contains only white space. There is nothing to train on.")
    return Corpus(
        id=new_id("cor"),
        name=name,
        bytes=(folder / "text.txt").stat().st_size,
        chars=chars,
        lines=lines + (last != "\n"),
        vocab_size=len(seen),
        vocab_size_lowercase=len(seen_lower),
        encoding=encoding,
        sha256=sha256,
        preview=preview,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        items=_items(folder / "text.txt", separator="\n" if column else separator),
        column=column,
    )


def _items(path: Path, *, separator: str | None) -> Items | None:
    """Return the list that a stored text is recognized as; with a known separator, one of two different items."""
    if separator is None:
        return recognized(lambda: read(path))
    found = tally(read(path), separator)
    return found if found.unique > 1 else None
