"""A service from its lock to its orderly end, with the words for it: what `up` and `demo` share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from cli.service import ports
from cli.service.lock import DataDirInUse, DataLock
from cli.service.service import Service, ShutdownRequested
from cli.service.signals import Signals
from cli.service.supervisor import ChildFailed
from cli.terminal.console import format_item
from shared.errors import SettingsError
from shared.settings import Settings, check_binding, load


def read_settings(*, port: int | None, data: Path | None) -> Settings:
    """Read the settings; what stands on the command line wins over the environment.

    Raises:
        click.ClickException: one is wrong.
    """
    try:
        settings = load()
        check_binding(settings)
    except SettingsError as exc:
        raise click.ClickException(str(exc)) from exc
    return settings.model_copy(
        update={
            "port": settings.port if port is None else port,
            "data_dir": (settings.data_dir if data is None else data).expanduser().resolve(),
        }
    )


def choose_port(settings: Settings, *, any_free: bool, console: Console) -> Settings:
    """Make sure of the port: 0 becomes a free one, and so does a busy one where any will do.

    Raises:
        click.ClickException: it is busy, or the address isn't this machine's.
    """
    try:
        if settings.port != 0:
            if ports.is_free(settings.host, settings.port):
                return settings
            url = ports.address(settings.host, settings.port)
            who = "another Charloom" if ports.is_charloom(url) else "another program"
            if not any_free:
                following = settings.port + 1
                raise click.ClickException(
                    f"Port {settings.port} is busy: {who} listens there. Choose another, "
                    f"for example `make up PORT={following}` or `charloom up --port {following}`."
                )
            console.print(f"Port {settings.port} is busy ({who}); taking a free one.")
        return settings.model_copy(update={"port": ports.find_free(settings.host)})
    except OSError as exc:
        raise click.ClickException(
            f"CHARLOOM_HOST={settings.host}, port {settings.port} can't be bound: {exc.strerror or exc}"
        ) from exc


def acquire_lock(settings: Settings, console: Console) -> DataLock | None:
    """Take the lock on the data; none where several hosts share them over a Redis of their own.

    Raises:
        DataDirInUse: a service runs on this data.
        click.ClickException: the directory can't be written.
    """
    if "redis_url" in settings.model_fields_set:
        return None
    try:
        return DataLock(
            settings.data_dir, on_wait=lambda: console.print("The last Charloom on this data is still ending …")
        )
    except OSError as exc:
        raise click.ClickException(f"The data directory {settings.data_dir} can't be used: {exc.strerror}") from exc


@contextmanager
def running_service(settings: Settings, lock: DataLock | None, console: Console) -> Iterator[tuple[Service, Signals]]:
    """Run the service around a block, and end it in order whatever happens in there.

    Raises:
        click.ClickException: it can't be started or kept going.
    """
    with Signals() as signals:
        service = Service(settings, lock=lock, signals=signals, report=console.print)
        try:
            console.print("Starting Charloom …")
            service.start()
            if lock is not None:
                lock.write_address(service.url)
            _describe(service, settings, console)
            yield service, signals
        except ShutdownRequested:
            pass
        except ChildFailed as exc:
            raise click.ClickException(str(exc)) from exc
        except OSError as exc:
            raise click.ClickException(f"{exc.filename or settings.data_dir}: {exc.strerror}") from exc
        finally:
            if signals.shutdown_requests:
                console.print("Ending: the worker saves its work first. Ctrl-C again hurries.")
            service.shut_down()
            if lock is not None:
                lock.close()


def already_running(taken: DataDirInUse, settings: Settings) -> click.ClickException:
    """Say who holds the data."""
    who = f"process {taken.pid}" if taken.pid else "a process"
    where = (
        f"already serves this data at {taken.address}" if taken.address else "is just starting or ending on this data"
    )
    return click.ClickException(f"Charloom {where} ({who}; {settings.data_dir}). One service a data directory.")


def _describe(service: Service, settings: Settings, console: Console) -> None:
    slots = f"{settings.train_slots} training and {settings.generate_slots} writing at once"
    where = "its own Valkey, for this user alone" if service.starts_valkey else "the one in CHARLOOM_REDIS_URL"
    for line in (
        format_item("data", settings.data_dir),
        format_item("logs", service.logs),
        format_item("redis", where),
        format_item("worker", slots),
        format_item("page", service.url),
    ):
        console.print(line)
