"""`charloom texts`, `text` and `join`."""

from collections.abc import Sequence
from typing import get_args

import click

from charloom import Corpus, TextKind
from cli.common.context import CliContext, examples, limit_options, server_command
from cli.common.lookup import find_corpus
from cli.common.options import Pair
from cli.terminal import formatting
from cli.terminal.formatting import age, number
from cli.terminal.tables import Column, print_card, print_table
from shared.sizes import size

_COLUMNS = (
    Column(title="ID"),
    Column(title="NAME", truncate=True),
    Column(title="CHARACTERS", rank=1, right=True),
    Column(title="DISTINCT", rank=4, right=True),
    Column(title="ITEMS", rank=3, right=True),
    Column(title="AGE", rank=2, right=True),
)
#: Characters of a text's beginning that its card shows.
_PREVIEW = 200


@click.command(
    epilog=examples(
        "charloom texts",
        "charloom texts --name reed --kind prose",
        "charloom texts --metadata language=en --json | jq -r '.data[].id'",
    )
)
@click.option("--name", help="Only texts whose name contains this, in any case.")
@click.option("--metadata", type=Pair(), help="Only texts with this metadata: KEY=VALUE.")
@click.option("--kind", type=click.Choice(get_args(TextKind)), help="Only lists, or only other texts.")
@limit_options
@server_command
def texts(
    ctx: CliContext, name: str | None, metadata: tuple[str, str] | None, kind: TextKind | None, limit: int | None
) -> None:
    """List texts, newest first."""
    found = list(ctx.client.corpora.list(name=name, metadata=metadata, kind=kind, limit=limit))
    if not found and not ctx.json and (name or metadata or kind):
        ctx.stderr.print("No text matches.")
    else:
        print_texts(ctx, found)


@click.command(
    epilog=examples(
        "charloom text reeds",
        'charloom text reeds --name "Reeds, second edition" --metadata language=en',
        "charloom text reeds --vocabulary > characters.txt",
    )
)
@click.argument("text", metavar="TEXT")
@click.option("--name", help="The text's new name.")
@click.option("--metadata", multiple=True, type=Pair(), help="New metadata, replacing the old. Repeatable.")
@click.option("--vocabulary", is_flag=True, help="Print its characters and how often each occurs.")
@server_command
def text(ctx: CliContext, text: str, name: str | None, metadata: Sequence[tuple[str, str]], vocabulary: bool) -> None:
    """Show a text, or change its name or metadata.

    TEXT is a text's name, its id, or the start or end of its id.
    """
    changes = name is not None or bool(metadata)
    found = find_corpus(ctx, text, newest=not changes)
    if changes:
        found = ctx.client.corpora.patch(found, name=name, metadata=dict(metadata) if metadata else None)
    if vocabulary:
        _print_vocabulary(ctx, found)
    elif ctx.json:
        ctx.print_json(found)
    else:
        print_card(ctx.stdout, _card(found))


@click.command(epilog=examples('charloom join milne grahame --name "Two rivers"', "charloom join first second third"))
@click.argument("names", metavar="TEXT...", nargs=-1, required=True)
@click.option("--name", help="The new text's name. [default: made from the first one's]")
@click.option(
    "--separator", help=r"What separates two texts, such as '\n'. [default: a blank line, or that of the lists]"
)
@server_command
def join(ctx: CliContext, names: Sequence[str], name: str | None, separator: str | None) -> None:
    """Join texts into a new one, in this order, and print its id.

    The texts themselves stay. Lists can be joined with lists, and other texts with each other.
    """
    corpora = [find_corpus(ctx, one, newest=False) for one in names]
    separator = None if separator is None else separator.replace(r"\n", "\n")
    joined = ctx.client.corpora.join(corpora, name=name, separator=separator)
    if ctx.json:
        ctx.print_json(joined)
    else:
        ctx.stderr.print(formatting.describe_corpus(joined))
        ctx.print_result(joined.id, f"Text: {joined.id}")


def print_texts(ctx: CliContext, found: Sequence[Corpus]) -> None:
    """Print a list of texts."""
    if ctx.json:
        ctx.print_json_list(found)
    elif not found:
        ctx.stderr.print("There are no texts. `charloom corpora --add FILE` and `charloom train FILE` upload one.")
    else:
        print_table(ctx.stdout, _COLUMNS, [_row(one) for one in found])


def _row(corpus: Corpus) -> Sequence[str]:
    items = "" if corpus.items is None else number(corpus.items.count)
    return corpus.id, corpus.name, number(corpus.chars), number(corpus.vocab_size), items, age(corpus.created_at)


def _card(corpus: Corpus) -> list[tuple[str, str]]:
    return [
        ("text", corpus.id),
        ("name", corpus.name),
        ("characters", f"{number(corpus.chars)}, {number(corpus.vocab_size)} distinct"),
        ("lines", number(corpus.lines)),
        ("items", formatting.describe_items(corpus.items) if corpus.items else ""),
        ("size", size(corpus.bytes)),
        ("encoding", corpus.encoding),
        ("column", f"{corpus.column.name} ({corpus.column.format})" if corpus.column else ""),
        ("file", f"{corpus.source.filename} ({corpus.source.format})" if corpus.source else ""),
        ("cleaned from", corpus.parent_id or ""),
        ("joined from", ", ".join(corpus.parent_ids)),
        ("created", f"{age(corpus.created_at)} ago"),
        ("metadata", formatting.pairs(corpus.metadata)),
        ("begins", " ".join(corpus.preview.split())[:_PREVIEW]),
    ]


def _print_vocabulary(ctx: CliContext, corpus: Corpus) -> None:
    found = ctx.client.corpora.vocabulary(corpus)
    if ctx.json:
        ctx.print_json_list(found)
        return
    columns = (Column(title="CHARACTER"), Column(title="CODE POINT"), Column(title="COUNT", right=True))
    print_table(
        ctx.stdout,
        columns,
        [(repr(one.character), f"U+{ord(one.character):04X}", number(one.count)) for one in found],
    )
