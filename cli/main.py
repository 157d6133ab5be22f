"""The command `charloom`: one file a command beside this one."""

import click

from cli.demo import demo
from cli.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train character-level LSTMs on a text and write with them, as jobs on a queue."""


main.add_command(demo)
main.add_command(up)

if __name__ == "__main__":
    main(prog_name="charloom")
