"""Starts and stops a service, with the messages for it: what `up` and `demo` share."""

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
from shared.errors import SettingsError
from shared.settings import Settings, check_binding, load, set_umask


def read_settings(*, port: int | None, data: Path | None) -> Settings:
    """Read the settings; options of the command override the environment.

    Raises:
        click.ClickException: a setting is invalid.
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
    """Return settings with a port that is free: any if 0 was given, or if the given one is in use and `any_free`.

    Raises:
        click.ClickException: the port is in use, or the address isn't one of this machine.
    """
    try:
        if settings.port != 0:
            if ports.is_free(settings.host, settings.port):
                return settings
            url = ports.address(settings.host, settings.port)
            user = "another Charloom" if ports.is_charloom(url) else "another program"
            if not any_free:
                other = settings.port + 1
                raise click.ClickException(
                    f"Port {settings.port} is in use by {user}. Choose another one, for example "
                    f"`charloom up --port {other}` or `make up PORT={other}`."
                )
            console.print(f"Port {settings.port} is in use by {user}; using another port.")
        return settings.model_copy(update={"port": ports.find_free(settings.host)})
    except OSError as exc:
        raise click.ClickException(
            f"CHARLOOM_HOST={settings.host}, port {settings.port} can't be bound: {exc.strerror or exc}."
        ) from exc


def acquire_lock(settings: Settings, console: Console) -> DataLock | None:
    """Set the umask and lock the data directory. Return None if a Redis is given: hosts may share the directory then.

    Raises:
        DataDirInUse: a service runs on this data.
        click.ClickException: the directory isn't writable.
    """
    set_umask(settings)
    if "redis_url" in settings.model_fields_set:
        return None
    try:
        return DataLock(
            settings.data_dir, on_wait=lambda: console.print("Waiting for the last Charloom on this data to stop …")
        )
    except OSError as exc:
        raise click.ClickException(f"The data directory {settings.data_dir} can't be used: {exc.strerror}.") from exc


def in_use_error(in_use: DataDirInUse, settings: Settings) -> click.ClickException:
    """Return an error that says who uses the data directory."""
    who = f"process {in_use.pid}" if in_use.pid else "another process"
    state = f"already runs on this data, at {in_use.url}" if in_use.url else "is starting or stopping on this data"
    return click.ClickException(
        f"Charloom {state} ({who}; {settings.data_dir}). A data directory can have only one service."
    )


@contextmanager
def running_service(settings: Settings, lock: DataLock | None, console: Console) -> Iterator[tuple[Service, Signals]]:
    """Run the service around a block, and shut it down however the block ends.

    Raises:
        click.ClickException: the service can't start or keep running.
    """
    with Signals() as signals:
        service = Service(settings, lock=lock, signals=signals, report=console.print)
        try:
            console.print("Starting Charloom …")
            service.start()
            if lock is not None:
                lock.write_url(service.url)
            _describe(service, settings, console)
            yield service, signals
        except ShutdownRequested:
            pass
        except ChildFailed as exc:
            raise click.ClickException(str(exc)) from exc
        except OSError as exc:
            raise click.ClickException(f"{exc.filename or settings.data_dir}: {exc.strerror}.") from exc
        finally:
            if signals.shutdown_requests:
                console.print("Stopping: the worker saves its work first. Ctrl-C again stops at once.")
            service.shut_down()
            if lock is not None:
                lock.close()


def _describe(service: Service, settings: Settings, console: Console) -> None:
    for name, value in (
        ("data", settings.data_dir),
        ("logs", service.logs),
        ("redis", "its own Valkey, private to this user" if service.starts_valkey else "as CHARLOOM_REDIS_URL says"),
        ("worker", f"train jobs at a time: {settings.train_slots}, generate jobs: {settings.generate_slots}"),
        ("page", service.url),
    ):
        console.print(f"  {name:<10}{value}")
