"""The command `charloom`: one file a command, or a few that belong together, beside this one."""

from importlib import import_module
from importlib.metadata import version

import click

#: The commands as the help page groups them, each with the module that has it: only the one that is called is loaded,
#: since loading all takes three times as long.
GROUPS = {
    "A whole service": {"up": "cli.commands.up", "demo": "cli.commands.demo"},
    "Train and write": {
        "train": "cli.commands.train",
        "estimate": "cli.commands.train",
        "write": "cli.commands.write",
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
        "corpora": "cli.commands.corpora",
    },
    "The server": {"workers": "cli.commands.workers", "doctor": "cli.doctor.doctor"},
    "The shell": {"completion": "cli.commands.completion"},
}
#: Names that Python keeps for itself.
_NAMED = {"import": "import_"}


class Commands(click.Group):
    """A group that loads a command when it is called for, and lists them in groups and in their order."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [name for names in GROUPS.values() for name in names]

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        """Load a command; None where there is none of that name."""
        module = next((names[name] for names in GROUPS.values() if name in names), None)
        if module is None:
            return None
        command: click.Command = getattr(import_module(module), _NAMED.get(name, name))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the groups."""
        for title, names in GROUPS.items():
            with formatter.section(title):
                told = [
                    (name, command.get_short_help_str(70)) for name in names if (command := self.get_command(ctx, name))
                ]
                formatter.write_dl(told)


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"charloom {version('charloom')}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version."
)
def main() -> None:
    """Train character-level LSTMs on a text and write with them, as jobs on a queue.

    `charloom up` starts a service on this machine; the other commands call it, or the one that CHARLOOM_URL names, with
    the key in CHARLOOM_API_KEY. Exit codes: 0 done, 1 the job failed, 2 wrong usage, 3 not reachable or not ready, 4
    refused, 5 not found, 130 interrupted.
    """


if __name__ == "__main__":
    main(prog_name="charloom")
