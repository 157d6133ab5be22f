"""`charloom findings` and `charloom clean`."""

import click

from charloom import Finding, Place
from cli.common.cleaning import clean as clean_text
from cli.common.context import CliContext, examples, server_command
from cli.common.corpus_argument import resolve_corpus
from cli.terminal.formatting import number
from shared.requests.cleaning import ADVISED, Remedy

_EXAMPLES_HELP = "Show examples of each finding."


@click.command(epilog=examples("charloom findings book.txt", "charloom findings book --examples"))
@click.argument("text", metavar="FILE")
@click.option("--examples", "with_examples", is_flag=True, help=_EXAMPLES_HELP)
@server_command
def findings(ctx: CliContext, text: str, with_examples: bool) -> None:
    """Show what is odd in a text, what it costs, and what fixes it.

    FILE is a text file, - for standard input, or the id or name of a text on the server.
    """
    corpus = resolve_corpus(ctx, text, name=None)
    found = ctx.client.corpora.findings(corpus)
    if ctx.json:
        ctx.print_json(found)
        return
    if not found.findings:
        ctx.stderr.print("Nothing is odd in this text.")
    for finding in found.findings:
        ctx.stdout.print(_describe(finding), markup=False, highlight=False)
        for place in finding.examples if with_examples else ():
            ctx.stdout.print(_show(place), markup=False, highlight=False, style="dim")
    if any(finding.advised for finding in found.findings):
        ctx.stderr.print(f"* is advised: `charloom clean {corpus.id}` makes a new text with these fixed.")


@click.command(
    epilog=examples(
        "charloom clean book.txt",
        "charloom clean book.txt --remedy licence --remedy repeats",
        "charloom train $(charloom clean book.txt) --follow",
    )
)
@click.argument("text", metavar="FILE")
@click.option(
    "--remedy",
    "remedies",
    multiple=True,
    type=click.Choice([one.value for one in Remedy]),
    help="A remedy; may be repeated.",
)
@click.option("--advised", is_flag=True, help="The remedies that the findings advise. [default unless --remedy]")
@click.option("--name", help="Name of the new text.")
@server_command
def clean(ctx: CliContext, text: str, remedies: tuple[str, ...], advised: bool, name: str | None) -> None:
    """Clean a text into a new one, and print its id.

    FILE is a text file, - for standard input, or the id or name of a text on the server, which stays as it is.
    """
    if advised and remedies:
        raise click.UsageError("--advised and --remedy exclude each other.")
    corpus = resolve_corpus(ctx, text, name=None)
    made = clean_text(ctx, corpus, remedies or (ADVISED,), name=name)
    if ctx.json:
        ctx.print_json(made)
    else:
        ctx.print_result(made.id, f"Text: {made.id}")


def _describe(finding: Finding) -> str:
    mark = "*" if finding.advised else " "
    remedy = f"--remedy {finding.remedy}" if finding.remedy else "no remedy"
    return f"{mark} {finding.title} ({number(finding.count)}): {finding.cost}. {finding.advice} [{remedy}]"


def _show(place: Place) -> str:
    becomes = "" if place.becomes is None else f" → {place.becomes!r}"
    return f"    at {number(place.offset)}: …{place.before!r}[{place.text!r}]{place.after!r}…{becomes}"
