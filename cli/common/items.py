"""Lists of items on the command line: the options that ask for them, and printing those that were written."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from charloom import Event, Job
from cli.common.context import CliContext
from cli.common.exit_codes import Exit, Failure
from cli.common.options import Command, request_options
from cli.terminal.console import printable
from shared.requests.writing import WriteItems

#: Options that need --items.
_OPTIONS = tuple(name for name in WriteItems.model_fields if name != "count")
_ESCAPES = {r"\n": "\n", r"\t": "\t"}


def items_options(command: Command) -> Command:
    """Decorate a command with --items and the options of the items."""
    count = click.option(
        "--items",
        type=click.IntRange(1, 100_000),
        metavar="N",
        help="Write N whole items of a list, such as names, instead of one text. [1 to 100,000]",
    )
    return count(request_options(WriteItems, leave_out=["count"])(command))


def nest_items(given: Mapping[str, Any]) -> dict[str, Any]:
    """Put the options of the items into the request's field `items`. Raises Failure if --items is missing."""
    request = {name: value for name, value in given.items() if name not in _OPTIONS}
    options = {name: given[name] for name in _OPTIONS if name in given}
    if "items" not in given:
        for name in options:
            raise Failure(f"--{name.replace('_', '-')} needs --items N.", Exit.USAGE)
        return request
    if "separator" in options:
        for escape, character in _ESCAPES.items():
            options["separator"] = options["separator"].replace(escape, character)
    return {**request, "items": {"count": given["items"], **options}}


class ItemsProgress:
    """Shows at a terminal how many items are written, while a job writes them."""

    def __init__(self, ctx: CliContext) -> None:
        self._status = None if ctx.json else ctx.stderr.status("waiting")

    def __enter__(self) -> "ItemsProgress":
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def show_event(self, event: Event) -> None:
        """Show the number of items."""
        if self._status and event.type == "progress":
            now = event.data.progress
            self._status.update(f"{now.step:,} of {now.total_steps or 0:,} items")

    def show_status(self, status: str) -> None:
        """Show what the job waits for."""
        if self._status and status:
            self._status.update(f"waiting: {status}")


def print_items(ctx: CliContext, job: Job) -> None:
    """Print the items of an ended job on standard output, each followed by its separator."""
    if job.items is None:
        return
    shown: Callable[[str], str] = printable if ctx.stdout.is_terminal else str
    for item in ctx.client.jobs.items(job):
        sys.stdout.write(shown(item.text + job.items.separator))
    sys.stdout.flush()


def describe_items(job: Job) -> str:
    """Describe how a list was written: "1,000 items in 1,622 tries; 507 are in the training text. …"."""
    found = job.items
    if found is None:
        return ""
    known = "" if found.known is None else f"; {found.known:,} different ones are in the training text"
    detail = "" if found.finish_reason == "count" else f" {found.detail}"
    return f"{found.written:,} items in {found.tries:,} tries{known}.{detail}"
