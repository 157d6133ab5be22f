"""What the commands that call a server share: --url and --json, where output goes, and how failures are told.

What was asked for goes to standard output and nothing else does, so that it can be piped; everything that is said
besides goes to standard error.
"""

import functools
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console

from charloom import Charloom, CharloomError, Retrying
from charloom.records import Record
from cli.common.exit_codes import Exit, failure_from
from cli.common.server_url import server_url
from cli.terminal.console import make_console

#: Somebody waits: a server that is away is soon said to be; those who watch a job have a patience of their own.
RETRYING = Retrying(tries=4)
#: Control characters that JSON leaves as they are; a terminal would obey them.
_CONTROLS = re.compile(r"[\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True)
class CliContext:
    """A command that calls a server."""

    client: Charloom
    #: Whether JSON was asked for.
    json: bool
    #: Standard output and standard error.
    stdout: Console
    stderr: Console

    def print_result(self, bare: str, message: str) -> None:
        """Print the result: in words for a person at the terminal, bare into a pipe."""
        if self.stdout.is_terminal:
            self.stdout.print(message)
        else:
            click.echo(bare)

    def print_json(self, value: Record | dict[str, Any]) -> None:
        """Print a value as JSON on a line of its own; over several lines at a terminal."""
        self._dump(value, indent=2 if self.stdout.is_terminal else None)

    def print_json_line(self, value: Record | dict[str, Any]) -> None:
        """Print a value as one line of JSON."""
        self._dump(value, indent=None)

    def print_json_list(self, records: Iterable[Record]) -> None:
        """Print records as one JSON document."""
        self.print_json({"object": "list", "data": [record.model_dump(mode="json") for record in records]})

    def _dump(self, value: Record | dict[str, Any], *, indent: int | None) -> None:
        plain = value.model_dump(mode="json") if isinstance(value, Record) else value
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        text = json.dumps(plain, ensure_ascii=not utf8, indent=indent)
        click.echo(_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def server_command(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --url and --json, a client as its first argument, and one way to fail."""

    @click.option("--url", metavar="URL", help="The server. [default: CHARLOOM_URL, else the one on this machine]")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @functools.wraps(command)
    def call(*arguments: Any, url: str | None, as_json: bool, **options: Any) -> None:
        with ExitStack() as stack:
            try:
                client = stack.enter_context(Charloom(url or server_url(), retrying=RETRYING))
                stdout, stderr = make_console(), make_console(stderr=True)
                command(CliContext(client=client, json=as_json, stdout=stdout, stderr=stderr), *arguments, **options)
                sys.stdout.flush()
            except CharloomError as error:
                raise failure_from(error) from error
            except KeyboardInterrupt:
                sys.exit(Exit.INTERRUPTED)
            except BrokenPipeError:
                close_output()
                sys.exit(Exit.CLOSED)

    return call


def close_output() -> None:
    """Send what is still to be written nowhere: its reader has gone, and Python's flush at the end would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def examples(*lines: str) -> str:
    """Lay out examples as the end of a help page."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
