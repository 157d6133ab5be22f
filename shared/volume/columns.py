r"""One column of a table, as a text with one item per line: CSV, TSV, or an object per line (JSON lines).

The file is read in pieces. Line breaks within a value become a space; empty and absent values are left out.
"""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from shared.errors import InvalidRequest
from shared.text.vocabulary import BOM

TableFormat = Literal["csv", "tsv", "jsonl"]

#: Most characters of a line of the file, and names of columns that a message lists.
MAX_LINE, MAX_NAMED = 1 << 24, 30
#: Formats by the end of a file's name, and by media type.
_BY_SUFFIX: dict[str, TableFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_BY_TYPE: dict[str, TableFormat] = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of an uploaded table."""

    name: str
    format: TableFormat


def format_of(filename: str, media_type: str) -> TableFormat | None:
    """Return a table's format, by its file's name or else by its media type; None if neither has it."""
    suffix = filename[filename.rfind(".") :].lower()
    return _BY_SUFFIX.get(suffix) or _BY_TYPE.get(media_type)


def values(parts: Iterable[str], column: Column) -> Iterator[str]:
    r"""Yield a column's values, each with "\n", from a table's text, line ends "\n".

    Raises:
        InvalidRequest: there is no such column, or the text isn't a table of this format.
    """
    lines = _lines(parts)
    found = _of_objects(lines, column.name) if column.format == "jsonl" else _of_rows(lines, column)
    for value in found:
        if item := " ".join(value.splitlines()).strip():
            yield f"{item}\n".encode("utf-8", "replace").decode("utf-8")  # JSON may hold half a character


def _lines(parts: Iterable[str]) -> Iterator[str]:
    held = ""
    for part in parts:
        *whole, held = (held + part).split("\n")
        yield from (f"{line}\n" for line in whole)
        if len(held) > MAX_LINE:
            raise InvalidRequest.at("/file", f"The file has a line of more than {MAX_LINE:,} characters.")
    if held:
        yield held


def _of_rows(lines: Iterator[str], column: Column) -> Iterator[str]:
    head = next(lines, "").removeprefix(BOM)
    delimiter = "\t" if column.format == "tsv" else ";" if ";" in head and "," not in head else ","
    rows = csv.reader(chain((head,), lines), delimiter=delimiter)
    try:
        names = next(rows, [])
        if column.name not in names:
            raise _missing(column.name, names)
        place = names.index(column.name)
        for row in rows:
            if place < len(row):
                yield row[place]
    except csv.Error as exc:
        raise InvalidRequest.at(
            "/file", f"The file can't be read as {column.format} at line {rows.line_num}: {exc}."
        ) from exc


def _of_objects(lines: Iterator[str], name: str) -> Iterator[str]:
    seen: dict[str, None] = {}
    known = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _object(line.removeprefix(BOM), number)
        if name in record:
            known = True
            value = record[name]
            if isinstance(value, dict | list):
                raise InvalidRequest.at(
                    "/column", f"column {name!r} holds {json.dumps(value)[:60]} at line {number}, not a text"
                )
            if value is not None:
                yield value if isinstance(value, str) else json.dumps(value)
        elif not known and len(seen) < MAX_NAMED:
            seen.update(dict.fromkeys(record))
    if not known:
        raise _missing(name, list(seen))


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise InvalidRequest.at("/file", f"Line {number:,} isn't JSON: {exc}.") from exc
    if not isinstance(record, dict):
        raise InvalidRequest.at("/file", f"Line {number:,} isn't a JSON object.")
    return record


def _missing(name: str, names: list[str]) -> InvalidRequest:
    listed = ", ".join(repr(one[:60]) for one in names[:MAX_NAMED]) or "none"
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return InvalidRequest.at("/column", f"There is no column {name!r}. The columns are {listed}{more}.")
