"""`charloom workers`: who works."""

import click

from cli.commands.command import Calling, calling, examples
from cli.terminal.formatting import age
from cli.terminal.tables import Column, print_table

_COLUMNS = (
    Column(title="NAME", cut=True),
    Column(title="RUNNING"),
    Column(title="CORES", rank=1, right=True),
    Column(title="THREADS", rank=4, right=True),
    Column(title="SEEN", rank=2, right=True),
    Column(title="TORCH", rank=3),
    Column(title="HOST", rank=5),
)


@click.command(epilog=examples("charloom workers", "charloom workers --json"))
@calling
def workers(call: Calling) -> None:
    """List the workers seen lately, and what each runs."""
    found = call.loom.workers()
    if call.json:
        call.listing(found)
    elif not found:
        call.notes.print("No worker has been seen lately. `charloom up` starts one, as does `celery -A worker worker`.")
    else:
        rows = [
            (
                one.name,
                " ".join(one.running) or "nothing",
                str(one.cores),
                str(one.threads),
                f"{age(one.seen_at)} ago",
                one.versions.get("torch", ""),
                one.host,
            )
            for one in found
        ]
        print_table(call.out, _COLUMNS, rows)
