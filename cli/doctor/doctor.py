"""`charloom doctor`: find what is wrong with an installation or a service."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from rich.table import Table

from charloom.client import named_url
from cli.common.context import CliContext, examples, server_command
from cli.common.exit_codes import Exit
from cli.common.server_url import data_dir
from cli.doctor.findings import Finding, Level, bad
from cli.doctor.machine_checks import check_data, check_machine
from cli.doctor.service_checks import check_redis, check_web, no_redis, redis_settings
from cli.doctor.volume_checks import check_bucket, check_mark, check_volume
from cli.terminal.console import printable
from shared.errors import SettingsError
from shared.settings import load

_STYLES = {Level.OK: "green", Level.NOTE: "dim", Level.WARN: "yellow", Level.BAD: "red"}


#: `--volume` without a folder.
_DEFAULT = "default"


@click.command(
    epilog=examples(
        "charloom doctor",
        "charloom doctor --json | jq '.data[] | select(.level != \"ok\")'",
        "charloom doctor --volume --from-two-hosts",
    )
)
@click.option(
    "--volume",
    metavar="[PATH]",
    is_flag=False,
    flag_value=_DEFAULT,
    help="Only test a volume: the operations that Charloom relies on, and their speed. [default: CHARLOOM_DATA_DIR]",
)
@click.option("--from-two-hosts", is_flag=True, help="With --volume: together with the same command on another host.")
@click.option("--adopt", is_flag=True, help="With --volume: make it the service's volume from now on.")
@server_command
def doctor(ctx: CliContext, *, volume: str | None, from_two_hosts: bool, adopt: bool) -> None:
    """Find what is wrong with an installation or a service.

    Checks this machine (Python, packages, torch, cores, memory, the data directory), Redis (if CHARLOOM_REDIS_URL is
    set or `charloom up` runs on this data), the web server and its workers. Exits with 3 if something is bad.
    """
    if volume is None and (from_two_hosts or adopt):
        raise click.UsageError("--from-two-hosts and --adopt go with --volume")
    checks = _run_checks(ctx) if volume is None else _check_volume(volume, from_two_hosts=from_two_hosts, adopt=adopt)
    found = []
    for finding in checks:
        found.append(finding)
        if not ctx.json:
            _print(ctx, finding)
    if ctx.json:
        ctx.print_json_list(finding.to_json() for finding in found)
    levels = [finding.level for finding in found]
    if not ctx.json:
        ctx.stderr.print(_summary(levels.count(Level.BAD), levels.count(Level.WARN)))
    if Level.BAD in levels:
        sys.exit(Exit.UNREACHABLE)


def _run_checks(ctx: CliContext) -> Iterator[Finding]:
    yield from check_machine()
    settings = None
    try:
        settings = load()
    except SettingsError as exc:
        yield bad("settings", str(exc), "docs/settings.md lists all settings.")
    directory = data_dir()
    # A server that was named may run elsewhere; then it means nothing that the default data directory is missing here.
    server_is_named = bool(click.get_current_context().params["url"] or named_url())
    data_is_named = settings is not None and "data_dir" in settings.model_fields_set
    is_local = directory.exists() or data_is_named or not server_is_named
    if is_local:
        yield from check_data(directory)
    in_bucket = settings is not None and settings.volume_url is not None
    if settings is not None and in_bucket:
        yield from check_bucket(settings)
    if settings is not None:
        settings = redis_settings(settings, directory)
        if settings is not None:
            yield from check_redis(settings)
            if in_bucket or (is_local and directory.exists()):
                yield from check_mark(settings, None if in_bucket else directory, adopt=False)
        elif is_local:
            yield no_redis()
    yield from check_web(ctx.client)


def _check_volume(named: str, *, from_two_hosts: bool, adopt: bool) -> Iterator[Finding]:
    local = load()
    folder = None
    if local.volume_url and named == _DEFAULT:
        yield from check_bucket(local)
    else:
        folder = data_dir() if named == _DEFAULT else Path(named)
        yield from check_volume(folder, from_two_hosts=from_two_hosts)
    settings = redis_settings(local, folder or data_dir())
    if settings is None:
        yield no_redis()
    else:
        yield from check_mark(settings, folder, adopt=adopt)


def _print(ctx: CliContext, finding: Finding) -> None:
    lines = [f"{finding.subject}: {finding.message}", *([finding.fix] if finding.fix else [])]
    if not ctx.stdout.is_terminal:
        for number, line in enumerate(lines):
            ctx.stdout.print(f"{'' if number else finding.level:<5} {line}")
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=4, style=_STYLES[finding.level])
    grid.add_column(overflow="fold")
    for number, line in enumerate(lines):
        grid.add_row("" if number else str(finding.level), printable(line))
    ctx.stdout.print(grid)


def _summary(bad_count: int, warn_count: int) -> str:
    if bad_count:
        return f"\n{bad_count} {'check' if bad_count == 1 else 'checks'} failed."
    return "\nNo check failed." + (f" {warn_count} gave a warning." if warn_count else "")
