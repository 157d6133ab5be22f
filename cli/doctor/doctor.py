"""`charloom doctor`: what is wrong with this set-up, in words."""

import sys
from collections.abc import Iterator

import click
from rich.table import Table

from cli.common.context import CliContext, examples, server_command
from cli.common.exit_codes import Exit
from cli.common.server_url import data_dir
from cli.doctor.findings import Finding, Level, bad
from cli.doctor.machine_checks import check_machine
from cli.doctor.service_checks import check_redis, check_web, redis_settings
from cli.terminal.console import printable
from shared.errors import SettingsError
from shared.settings import load

_STYLES = {Level.OK: "green", Level.NOTE: "dim", Level.WARN: "yellow", Level.BAD: "red"}


@click.command(epilog=examples("charloom doctor", "charloom doctor --json | jq '.data[] | select(.level != \"ok\")'"))
@server_command
def doctor(ctx: CliContext) -> None:
    """Tell what is wrong with this set-up.

    Looks at this machine (Python, packages, torch, cores, memory, the data directory), at Redis where it is named or
    runs on this data, at the web server and at its workers. Exits with 3 where something is bad.
    """
    found = []
    for finding in _run_checks(ctx):
        found.append(finding)
        if not ctx.json:
            _print(ctx, finding)
    if ctx.json:
        rows = [{"object": "finding", **vars(finding)} for finding in found]
        ctx.print_json({"object": "list", "data": rows})
    worst = [finding for finding in found if finding.level is Level.BAD]
    warned = [finding for finding in found if finding.level is Level.WARN]
    if not ctx.json:
        ctx.stderr.print(_summary(len(worst), len(warned)))
    if worst:
        sys.exit(Exit.UNREACHABLE)


def _run_checks(ctx: CliContext) -> Iterator[Finding]:
    directory = data_dir()
    yield from check_machine(directory)
    try:
        settings = load()
    except SettingsError as exc:
        yield bad("settings", str(exc), "docs/settings.md lists them all.")
    else:
        yield from check_redis(redis_settings(settings, directory))
    yield from check_web(ctx.client)


def _print(ctx: CliContext, finding: Finding) -> None:
    lines = [f"{printable(finding.what)}: {printable(finding.said)}", *([finding.todo] if finding.todo else [])]
    if not ctx.stdout.is_terminal:
        for number, line in enumerate(lines):
            ctx.stdout.print(f"{'' if number else finding.level:<5} {line}")
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=4, style=_STYLES[finding.level])
    grid.add_column(overflow="fold")
    for number, line in enumerate(lines):
        grid.add_row("" if number else str(finding.level), line)
    ctx.stdout.print(grid)


def _summary(worst: int, warned: int) -> str:
    if worst:
        return f"\n{worst} {'thing is' if worst == 1 else 'things are'} bad."
    return "\nNothing is bad." + (f" {warned} could be better." if warned else "")
