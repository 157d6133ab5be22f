"""`charloom workers`: the workers and what they run."""

import click

from charloom import Worker
from cli.common.context import CliContext, examples, server_command
from cli.terminal.formatting import age
from cli.terminal.tables import Column, print_table

_COLUMNS = (
    Column(title="NAME", truncate=True),
    Column(title="RUNNING"),
    Column(title="CORES", rank=1, right=True),
    Column(title="THREADS", rank=4, right=True),
    Column(title="SEEN", rank=2, right=True),
    Column(title="TORCH", rank=3),
    Column(title="HOST", rank=5),
)


@click.command(epilog=examples("charloom workers", "charloom workers --json"))
@server_command
def workers(ctx: CliContext) -> None:
    """List the workers and the jobs they run."""
    found = ctx.client.workers()
    if ctx.json:
        ctx.print_json_list(found)
    elif not found:
        ctx.stderr.print("No worker is running. Start one with `charloom up` or `celery -A worker worker`.")
    else:
        rows = [
            (
                one.name,
                _running(one),
                str(one.cores) if one.cpu_quota is None else f"{one.cores} (quota {one.cpu_quota:.3g})",
                str(one.threads),
                f"{age(one.seen_at)} ago",
                one.versions.get("torch", ""),
                one.host,
            )
            for one in found
        ]
        print_table(ctx.stdout, _COLUMNS, rows)
        for one in found:
            if one.volume_error:
                ctx.stderr.print(f"{one.name} takes no jobs. {one.volume_error}")


def _running(worker: Worker) -> str:
    drains = ["(drains)"] if worker.draining else []
    return " ".join([*worker.running, *drains]) or ("refuses jobs" if worker.volume_error else "nothing")
