"""Questions to the person at the terminal, where there is one: asked there even if standard input is a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console


def ask(notes: Console, question: str) -> str | None:
    """Return what the person answers, "" for Enter alone; None where there is nobody, or Ctrl-C was pressed."""
    if not notes.is_terminal:
        return None
    try:
        with _keyboard() as keyboard:
            notes.print(question, end=" ")
            line = keyboard.readline()
    except (OSError, KeyboardInterrupt):
        return None
    if not line:
        notes.print()
        return None
    return line.strip()


@contextmanager
def _keyboard() -> Iterator[TextIO]:
    if sys.stdin.isatty():
        yield sys.stdin
        return
    with open("/dev/tty") as keyboard:  # noqa: PTH123 (a device, no path of ours)
        yield keyboard
