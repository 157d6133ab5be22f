"""`charloom up`: a whole service on this machine."""

from pathlib import Path

import click

from cli.common.context import examples
from cli.service.lifecycle import acquire_lock, choose_port, in_use_error, read_settings, running_service
from cli.service.lock import DataDirInUse
from cli.terminal.console import make_console


@click.command(epilog=examples("charloom up", "charloom up --port 8001 --data /srv/charloom"))
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="The web server's port; 0 for any. [default: CHARLOOM_PORT, or 8000]"
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory for texts, models and jobs; created if missing. [default: CHARLOOM_DATA_DIR, or data]",
)
def up(port: int | None, data: Path | None) -> None:
    """Run Charloom on this machine until Ctrl-C.

    Starts a web server, a worker and Valkey (unless CHARLOOM_REDIS_URL names a Valkey or Redis server). The next start
    with the same data continues everything, including a training that was running.
    """
    console = make_console()
    settings = read_settings(port=port, data=data)
    try:
        lock = acquire_lock(settings, console)
    except DataDirInUse as in_use:
        raise in_use_error(in_use, settings) from in_use
    settings = choose_port(settings, any_free=False, console=console)
    with running_service(settings, lock, console) as (service, _):
        console.print(f"\nOpen {service.url} in a browser. Ctrl-C stops the service; the next start continues.")
        service.serve()
    console.print("Stopped.")
