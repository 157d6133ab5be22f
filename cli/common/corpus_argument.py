"""The argument FILE: a text file, a book or a document, a folder of them, standard input, or a text on the server."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict, TypeVar, get_args

import click

from charloom import Corpus, Job, TableFormat
from cli.common.context import CliContext
from cli.common.exit_codes import Exit, Failure
from cli.common.lookup import find_corpus
from cli.common.watch import watch
from cli.terminal.extraction import ExtractionProgress
from cli.terminal.formatting import describe_corpus

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--encoding", metavar="NAME", help="Encoding of FILE, such as windows-1252 or gbk. [default: detected]"
    ),
    click.option("--column", metavar="NAME", help="Take this column of a CSV, TSV or JSON lines FILE, as a list."),
    click.option(
        "--table",
        type=click.Choice(get_args(TableFormat)),
        help="Format of a FILE with columns. [default: by the file's name]",
    ),
)


class UploadOptions(TypedDict):
    """How a FILE is read; None: as the server detects it."""

    encoding: str | None
    column: str | None
    table: TableFormat | None


def upload_options(command: Command) -> Command:
    """Add the options of commands that upload a FILE: those of `UploadOptions`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_upload_options(options: dict[str, Any]) -> UploadOptions:
    """Remove these options from a command's, and return them."""
    return UploadOptions(encoding=options.pop("encoding"), column=options.pop("column"), table=options.pop("table"))


def resolve_corpus(ctx: CliContext, word: str, *, name: str | None, upload: UploadOptions | None = None) -> Corpus:
    """Return the corpus that an argument names; a file or standard input is uploaded.

    Args:
        ctx: the command's context.
        word: a file, a folder of files, `-` for standard input, or the id or name of a text on the server.
        name: what to call a text from standard input; a file has its own name.
        upload: how what is uploaded is read.

    Raises:
        Failure: it can't be read, or there is no such text.
        CharloomError: the server refuses it.
    """
    given = upload or UploadOptions(encoding=None, column=None, table=None)
    if word == "-":
        if sys.stdin.isatty():
            ctx.stderr.print("Type or paste the text; end it with Ctrl-D.", style="dim")
        name = name or "standard input"
        return _take(ctx, ctx.client.corpora.upload((name, sys.stdin.buffer.read()), name=name, **given))
    path = Path(word).expanduser()
    if path.is_dir():
        return _take_folder(ctx, path, given)
    if not path.exists():
        try:
            return find_corpus(ctx, word)
        except Failure as failure:
            if failure.exit_code is not Exit.NOT_FOUND:
                raise
            message = f"There is no file {word!r} here, and no text of that name on the server."
            raise Failure(message, Exit.USAGE) from failure
    try:
        return _take(ctx, ctx.client.corpora.upload(path, **given))
    except OSError as exc:
        raise Failure(f"{word} can't be read: {exc.strerror}.", Exit.USAGE) from exc


def _take_folder(ctx: CliContext, folder: Path, given: UploadOptions) -> Corpus:
    """Upload the files of a folder as one text."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        if not paths:
            raise Failure(f"{folder} has no files.", Exit.USAGE)
        return _take(ctx, ctx.client.corpora.upload(*paths, name=folder.resolve().name, **given))
    except OSError as exc:
        raise Failure(f"{exc.filename or folder} can't be read: {exc.strerror}.", Exit.USAGE) from exc


def _take(ctx: CliContext, found: Corpus | Job) -> Corpus:
    """Return the corpus of an upload; if a job extracts it, when that has ended."""
    if isinstance(found, Job):
        with ExtractionProgress(ctx.stderr) as view:
            for _ in watch(ctx, found, view):
                pass
        found = ctx.client.corpora.extracted(found)
    ctx.stderr.print(describe_corpus(found))
    return found
