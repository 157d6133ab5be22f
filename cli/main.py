"""The command `charloom` and its subcommands, each in a module of `cli/commands/` or in `cli/doctor/`."""

from importlib import import_module
from importlib.metadata import version

import click

#: The subcommands, grouped as on the help page, each with its module. Only the module of the one that is called is
#: imported: importing all takes three times as long.
GROUPS = {
    "Run a service": {"up": "cli.commands.up", "demo": "cli.commands.demo", "backup": "cli.commands.backup"},
    "Train and generate": {
        "train": "cli.commands.train",
        "estimate": "cli.commands.train",
        "write": "cli.commands.write",
        "base": "cli.commands.base",
    },
    "Jobs": {
        "jobs": "cli.commands.jobs",
        "job": "cli.commands.jobs",
        "cancel": "cli.commands.jobs",
        "resume": "cli.commands.jobs",
    },
    "Models and texts": {
        "models": "cli.commands.models",
        "model": "cli.commands.models",
        "download": "cli.commands.models",
        "import": "cli.commands.models",
        "delete": "cli.commands.models",
        "texts": "cli.commands.texts",
        "text": "cli.commands.texts",
        "join": "cli.commands.texts",
        "corpora": "cli.commands.corpora",
        "findings": "cli.commands.findings",
        "clean": "cli.commands.findings",
    },
    "The server": {
        "workers": "cli.commands.workers",
        "usage": "cli.commands.usage",
        "drain": "cli.commands.drain",
        "rehearse": "cli.rehearsal.rehearse",
        "doctor": "cli.doctor.doctor",
    },
    "The shell": {"completion": "cli.commands.completion"},
}
#: Functions whose name differs from the command's, since Python reserves that one.
_FUNCTIONS = {"import": "import_"}


class Commands(click.Group):
    """A group that imports a command when it is called, and lists the commands in groups."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [name for names in GROUPS.values() for name in names]

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """Import a command; return None if there is none of that name."""
        module = next((names[name] for names in GROUPS.values() if name in names), None)
        if module is None:
            return None
        command: click.Command = getattr(import_module(module), _FUNCTIONS.get(name, name))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called, or suggest similar ones."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:  # click's own suggestions are limited to commands already imported
            raise click.NoSuchCommand(error.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, group by group."""
        for title, names in GROUPS.items():
            with formatter.section(title):
                commands = ((name, self.get_command(ctx, name)) for name in names)
                formatter.write_dl([(name, command.get_short_help_str(70)) for name, command in commands if command])


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"charloom {version('charloom')}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def main() -> None:
    """Train character-level LSTMs on texts and generate text with them, as jobs on a queue.

    `charloom up` runs a service on this machine. The other commands call that one, or the one at CHARLOOM_URL, with the
    API key in CHARLOOM_API_KEY.

    Exit codes: 0 success, 1 job failed, 2 wrong usage, 3 server unreachable or not ready, 4 refused, 5 not found, 130
    interrupted.
    """


if __name__ == "__main__":
    main(prog_name="charloom")
