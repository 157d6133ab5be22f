"""`charloom corpora`: the texts on the server."""

from typing import Any

import click

from cli.common.context import CliContext, examples, limit_options, server_command
from cli.common.corpus_argument import resolve_corpus, take_upload_options, upload_options
from cli.common.lookup import find_corpus
from cli.terminal.console import printable
from cli.terminal.formatting import age, number
from cli.terminal.tables import Column, print_table

_COLUMNS = (
    Column(title="ID"),
    Column(title="NAME", truncate=True),
    Column(title="CHARACTERS", rank=1, right=True),
    Column(title="DISTINCT", rank=4, right=True),
    Column(title="ITEMS", rank=3, right=True),
    Column(title="AGE", rank=2, right=True),
)


@click.command(
    epilog=examples(
        "charloom corpora",
        "charloom corpora --add book.epub",
        "charloom corpora --add posts.csv --column text",
        "charloom corpora --text reeds > reeds.txt",
    )
)
@click.option(
    "--add",
    metavar="FILE",
    help="Upload this file, or a folder's as one text (-: standard input); print its id.",
)
@click.option("--name", help="Name of the text that --add - uploads.")
@upload_options
@click.option("--text", metavar="TEXT", help="Print this text: its name, its id, or the start or end of its id.")
@limit_options
@server_command
def corpora(
    ctx: CliContext, add: str | None, name: str | None, text: str | None, limit: int | None, **options: Any
) -> None:
    """List texts (corpora), upload one, or print one."""
    if add is not None:
        corpus = resolve_corpus(ctx, add, name=name, upload=take_upload_options(options))
        if ctx.json:
            ctx.print_json(corpus)
        else:
            ctx.print_result(corpus.id, f"Text: {corpus.id}")
        return
    if text is not None:
        corpus = find_corpus(ctx, text)
        content = ctx.client.corpora.text(corpus)
        if ctx.json:
            ctx.print_json({**corpus.model_dump(mode="json"), "text": content})
        else:
            click.echo(printable(content) if ctx.stdout.is_terminal else content, nl=not content.endswith("\n"))
        return
    found = list(ctx.client.corpora.list(limit=limit))
    if ctx.json:
        ctx.print_json_list(found)
    elif not found:
        ctx.stderr.print("There are no texts. `charloom corpora --add FILE` and `charloom train FILE` upload one.")
    else:
        rows = [
            (
                one.id,
                one.name,
                number(one.chars),
                number(one.vocab_size),
                "" if one.items is None else number(one.items.count),
                age(one.created_at),
            )
            for one in found
        ]
        print_table(ctx.stdout, _COLUMNS, rows)
