"""Cleaning a text: the job, its progress, and what it did."""

import click

from charloom import Cleaning, Corpus
from cli.common.context import CliContext
from cli.common.watch import watch
from cli.terminal.extraction import ExtractionProgress
from cli.terminal.formatting import describe_corpus, number
from shared.requests.cleaning import ADVISED, Remedy

#: The option of commands that train on a text.
clean_option = click.option(
    "--clean",
    "remedies",
    multiple=True,
    metavar="REMEDY",
    type=click.Choice([ADVISED, *(one.value for one in Remedy)]),
    help="Clean the text first, by this remedy, or by those that are advised; may be repeated.",
)


def clean(ctx: CliContext, corpus: Corpus, remedies: tuple[str, ...], *, name: str | None = None) -> Corpus:
    """Clean a text by some remedies, show the progress and what was done, and return the new text.

    Raises:
        JobFailed, CharloomError
    """
    named = () if ADVISED in remedies else remedies
    job = ctx.client.corpora.clean(corpus, *named, name=name)
    with ExtractionProgress(ctx.stderr, "cleaning the text") as view:
        for _ in watch(ctx, job, view):
            pass
    made = ctx.client.corpora.cleaned(job)
    if made.id == corpus.id:
        ctx.stderr.print("Nothing had to be changed.")
        return corpus
    ctx.stderr.print(f"{describe_corpus(made)}\n{describe_cleaning(ctx.client.corpora.cleaning(made))}")
    return made


def describe_cleaning(cleaning: Cleaning) -> str:
    """Name what each remedy did."""
    return "\n".join(
        f"  {one.remedy}: {number(one.changes)} {'change' if one.changes == 1 else 'changes'}, "
        f"{number(one.removed)} characters removed, {number(one.added)} added"
        for one in cleaning.remedies
    )
