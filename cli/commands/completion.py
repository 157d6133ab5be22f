"""`charloom completion`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class

from cli.common.context import examples

#: What a completion script asks the command by, as click names it.
_VARIABLE = "_CHARLOOM_COMPLETE"


@click.command(
    epilog=examples(
        "charloom completion bash >~/.local/share/bash-completion/completions/charloom",
        'eval "$(charloom completion zsh)"',
        "charloom completion fish >~/.config/fish/completions/charloom.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands and options in a shell."""
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"no completion is known for {shell}")
    click.echo(script(ctx.find_root().command, {}, "charloom", _VARIABLE).source())
