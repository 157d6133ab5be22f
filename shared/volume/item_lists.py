"""The items that a generate job has written: a file in the job's folder, one JSON array per line, in order of writing.

A line is [text, log-probability, known]. Files are read line by line, so that their size doesn't matter. Unlike the
texts of other generate jobs, they are synced to the disk: a record with their number must not outlive them.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from pydantic import TypeAdapter, ValidationError

from shared.errors import Damaged, NotFound
from shared.volume.files import committed, translated


@dataclass(frozen=True, kw_only=True)
class Item:
    """One item."""

    #: Its place in the list, from 0.
    index: int
    text: str
    #: Natural logarithm of the probability that the model writes it, its separator included.
    logprob: float
    #: Whether the training text has it; None if that text is gone.
    known: bool | None


_ROW: TypeAdapter[tuple[str, float, bool | None]] = TypeAdapter(tuple[str, float, bool | None])


@contextmanager
def writing_items(path: Path) -> Iterator[Callable[[Sequence[Item]], None]]:
    """Give a function that adds items; at the end commit the file, or nothing on an error. Raises VolumeUnavailable."""
    with committed(path) as temporary, temporary.open("w", encoding="utf-8") as file:

        def add(items: Sequence[Item]) -> None:
            with translated():
                for item in items:
                    row = [item.text, item.logprob, item.known]
                    file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")

        yield add


def read_items(path: Path, *, after: int = -1) -> Iterator[Item]:
    """Yield the items that follow the one with this index.

    Raises:
        NotFound: at once, if there is no such file. Damaged, VolumeUnavailable.
    """
    try:
        with translated():
            file = path.open(encoding="utf-8", newline="\n")
    except FileNotFoundError as exc:
        raise NotFound(f"The items of {path.parent.name} are gone.") from exc
    return _rows(path, file, after)


def _rows(path: Path, file: TextIO, after: int) -> Iterator[Item]:
    try:
        with translated(), file:
            for index, line in enumerate(islice(file, after + 1, None), after + 1):
                text, logprob, known = _ROW.validate_json(line)
                yield Item(index=index, text=text, logprob=logprob, known=known)
    except (ValidationError, UnicodeDecodeError) as exc:
        raise Damaged(f"The items of {path.parent.name} can't be read: {path.name} is damaged.") from exc
