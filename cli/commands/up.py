"""`charloom up`: the whole service on this machine, until Ctrl-C."""

from pathlib import Path

import click

from cli.common.context import examples
from cli.service.lifecycle import acquire_lock, already_running, choose_port, read_settings, running_service
from cli.service.lock import DataDirInUse
from cli.terminal.console import make_console


@click.command(epilog=examples("charloom up", "charloom up --port 8001 --data /srv/charloom"))
@click.option("--port", type=click.IntRange(0, 65_535), help="Port of the page; 0 takes a free one. [default: 8000]")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of texts, models and jobs; made if it isn't there. [default: data]",
)
def up(port: int | None, data: Path | None) -> None:
    """Serve Charloom on this machine until Ctrl-C.

    Starts a Valkey of its own (unless CHARLOOM_REDIS_URL names a Redis), the web server and a worker. The next start
    on the same data goes on with everything, a training in the middle included.
    """
    console = make_console()
    settings = read_settings(port=port, data=data)
    try:
        lock = acquire_lock(settings, console)
    except DataDirInUse as taken:
        raise already_running(taken, settings) from taken
    settings = choose_port(settings, any_free=False, console=console)
    with running_service(settings, lock, console) as (service, _):
        console.print(f"\nOpen {service.url} in a browser. Ctrl-C ends it; the next start goes on with everything.")
        service.serve()
    console.print("Ended.")
