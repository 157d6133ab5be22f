"""`charloom corpora`: the texts on the server."""

from typing import Any

import click

from cli.commands.texts import print_texts
from cli.common.context import CliContext, examples, limit_options, server_command
from cli.common.corpus_argument import resolve_corpus, take_upload_options, upload_options
from cli.common.lookup import find_corpus
from cli.terminal.console import printable


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
    """List texts (corpora), upload one, or print one. `charloom texts` finds them."""
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
    print_texts(ctx, list(ctx.client.corpora.list(limit=limit)))
