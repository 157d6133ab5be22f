"""The text that a command is given: a file, what comes in through a pipe, or one that the server has already."""

import sys
from pathlib import Path

from charloom import Corpus
from cli.common.context import CliContext
from cli.common.exit_codes import Exit, Failure
from cli.common.lookup import find_corpus
from cli.terminal.console import printable


def resolve_corpus(ctx: CliContext, word: str, *, name: str | None) -> Corpus:
    """Return the text that a word means, sent to the server where it isn't there yet.

    Args:
        ctx: the command's context.
        word: a file, `-` for standard input, or the id or name of a text on the server.
        name: what to call one from standard input; a file has its own name.

    Raises:
        Failure: it can't be read, or nothing is called so. CharloomError: the server refuses.
    """
    if word == "-":
        if sys.stdin.isatty():
            ctx.stderr.print("Type or paste the text; Ctrl-D ends it.", style="dim")
        return _told(ctx, ctx.client.corpora.add_bytes(sys.stdin.buffer.read(), name=name or "standard input"))
    path = Path(word).expanduser()
    if path.is_dir():
        raise Failure(f"{word} is a directory, not a text. Name a file.", Exit.USAGE)
    if not path.exists():
        try:
            return find_corpus(ctx, word)
        except Failure as failure:
            if failure.exit_code is not Exit.NOT_FOUND:
                raise
            raise Failure(
                f"There is no file {word!r}, and no text of that name on the server.", Exit.USAGE
            ) from failure
    try:
        return _told(ctx, ctx.client.corpora.add(path))
    except OSError as exc:
        raise Failure(f"The text {word} can't be read: {exc.strerror}.", Exit.USAGE) from exc


def _told(ctx: CliContext, corpus: Corpus) -> Corpus:
    ctx.stderr.print(
        f"{printable(corpus.name)}: {corpus.chars:,} characters, {corpus.vocab_size_lowercase} different ones in "
        "lower case."
    )
    return corpus
