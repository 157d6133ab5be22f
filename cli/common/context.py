"""The context of a command that calls a server: its client, its output, --url and --json, and how it fails.

Results go to standard output, so that they can be piped; everything else goes to standard error.
"""

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console

from charloom import Charloom, CharloomError, Retrying
from charloom.record import Record
from cli.common.exit_codes import Exit, failure_from
from cli.common.server_url import server_url
from cli.terminal.console import escape_unsafe, make_console

#: Someone is waiting, so an unreachable server is reported soon. Commands that follow a job keep trying for longer.
RETRYING = Retrying(tries=4)


@dataclass(frozen=True, kw_only=True)
class CliContext:
    """What a command that calls a server works with."""

    client: Charloom
    #: Whether --json was given.
    json: bool
    stdout: Console
    stderr: Console

    def print_result(self, plain: str, message: str) -> None:
        """Print a result: as a message at a terminal, plain in a pipe."""
        if self.stdout.is_terminal:
            self.stdout.print(message)
        else:
            click.echo(plain)

    def print_json(self, value: Record | dict[str, Any]) -> None:
        """Print a value as JSON, indented at a terminal."""
        self._dump(value, indent=2 if self.stdout.is_terminal else None)

    def print_json_line(self, value: Record | dict[str, Any]) -> None:
        """Print a value as one line of JSON."""
        self._dump(value, indent=None)

    def print_json_list(self, rows: Iterable[Record | dict[str, Any]]) -> None:
        """Print a list as one JSON document."""
        self.print_json({"object": "list", "data": [_plain(row) for row in rows]})

    def _dump(self, value: Record | dict[str, Any], *, indent: int | None) -> None:
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        click.echo(escape_unsafe(json.dumps(_plain(value), ensure_ascii=not utf8, indent=indent)))


def server_command(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command with --url and --json, a CliContext as its first argument, and the handling of failures."""

    @click.option("--url", metavar="URL", help="The server. [default: CHARLOOM_URL, or the one on this machine]")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(command)
    def run(*arguments: Any, url: str | None, as_json: bool, **options: Any) -> None:
        with ExitStack() as stack:
            try:
                client = stack.enter_context(Charloom(url or server_url(), retrying=RETRYING))
                stdout, stderr = make_console(), make_console(stderr=True)
                context = CliContext(client=client, json=as_json, stdout=stdout, stderr=stderr)
                command(context, *arguments, **options)
                sys.stdout.flush()
            except CharloomError as error:
                raise failure_from(error) from error
            except KeyboardInterrupt:
                sys.exit(Exit.INTERRUPTED)
            except BrokenPipeError:
                close_output()
                sys.exit(Exit.CLOSED)

    return run


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorate a command that prints a list with --limit and --all; it gets `limit`, None for all."""

    @click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Maximum number of rows.")
    @click.option("--all", "everything", is_flag=True, help="No maximum.")
    @functools.wraps(command)
    def run(*arguments: Any, limit: int, everything: bool, **options: Any) -> None:
        command(*arguments, limit=None if everything else limit, **options)

    return run


def close_output() -> None:
    """Discard further output once nobody reads it, so that Python's flush at exit doesn't fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def examples(*lines: str) -> str:
    """Format examples as the end of a help page."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _plain(value: Record | dict[str, Any]) -> dict[str, Any]:
    return value.model_dump(mode="json") if isinstance(value, Record) else value
