"""The items that a job has written, streamed as files: CSV, or the text of a list."""

import csv
import io
from collections.abc import Iterable, Iterator

from flask import Response

from shared.volume.item_lists import Item

_COLUMNS = ("index", "text", "logprob", "known")
#: Characters that are sent at once.
_CHUNK = 1 << 16


def reply_csv(items: Iterable[Item], name: str) -> Response:
    """Respond with items as a CSV file (RFC 4180), with `name` in its file name."""
    return _file(_csv(items), "text/csv", f"{name}-items.csv")


def reply_text(items: Iterable[Item], name: str, *, separator: str) -> Response:
    """Respond with items as a text like the one trained on: each followed by the separator."""
    return _file((item.text + separator for item in items), "text/plain", f"{name}-items.txt")


def _csv(items: Iterable[Item]) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for item in items:
        writer.writerow([item.index, item.text, item.logprob, "" if item.known is None else str(item.known).lower()])
        yield out.getvalue()
        out.seek(0)
        out.truncate()


def _file(parts: Iterator[str], mimetype: str, name: str) -> Response:
    response = Response(_chunks(parts), content_type=f"{mimetype}; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _chunks(parts: Iterator[str]) -> Iterator[bytes]:
    held, size = [], 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield "".join(held).encode()
            held, size = [], 0
    yield "".join(held).encode()
