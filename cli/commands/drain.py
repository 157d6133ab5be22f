"""`charloom drain`: have a host's workers release their jobs."""

import click

from cli.common.context import CliContext, examples, server_command


@click.command(epilog=examples("charloom drain loom-1", "charloom drain celery@loom-1 --undo"))
@click.argument("host")
@click.option("--undo", is_flag=True, help="Have them take jobs again.")
@server_command
def drain(ctx: CliContext, host: str, *, undo: bool) -> None:
    """Have all workers of HOST save and release their jobs, and take no others.

    Other workers continue the jobs. HOST is a host's name, or that of one worker. It holds until --undo, or until the
    worker's process ends.
    """
    names = [worker.name for worker in ctx.client.workers() if host in (worker.host, worker.name)]
    if not names:
        raise click.BadParameter(f"No worker on {host} is seen; `charloom workers` lists them.", param_hint="HOST")
    drained = [ctx.client.drain_worker(name, undo=undo) for name in names]
    if ctx.json:
        ctx.print_json_list(drained)
    for worker in [] if ctx.json else drained:
        running = f"; it still runs {' '.join(worker.running)}" if worker.running and not undo else ""
        ctx.stdout.print(f"{worker.name} {'takes jobs again' if undo else 'takes no jobs'}{running}.", soft_wrap=True)
