"""Questions to the person at the terminal, even if standard input is a pipe."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console


def ask(console: Console, question: str) -> str | None:
    """Return the answer, "" for Enter alone; None if there is no terminal, or after Ctrl-C or Ctrl-D."""
    if not console.is_terminal:
        return None
    try:
        with _keyboard() as keyboard:
            console.print(question, end=" ")
            line = keyboard.readline()
    except (OSError, KeyboardInterrupt):
        return None
    if not line:
        console.print()
        return None
    return line.strip()


@contextmanager
def _keyboard() -> Iterator[TextIO]:
    if sys.stdin.isatty():
        yield sys.stdin
        return
    with open("/dev/tty") as keyboard:  # noqa: PTH123 (a device)
        yield keyboard
