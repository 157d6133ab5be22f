"""`charloom models`, `model`, `download`, `import` and `delete`."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from charloom import Corpus, Model
from cli.common.context import CliContext, examples, limit_options, server_command
from cli.common.exit_codes import Exit, Failure
from cli.common.follow import follow_job
from cli.common.lookup import find_corpus, find_model
from cli.common.options import Pair
from cli.terminal import formatting
from cli.terminal.formatting import age, loss, number
from cli.terminal.prompts import ask
from cli.terminal.tables import Column, print_card, print_table
from shared.sizes import size

_COLUMNS = (
    Column(title="ID"),
    Column(title="NAME", truncate=True),
    Column(title="LOSS", rank=1, right=True),
    Column(title="SIZE", rank=3, right=True),
    Column(title="AGE", rank=2, right=True),
    Column(title="KIND", rank=4),
)


@click.command(epilog=examples("charloom models", "charloom models --limit 5 --json", "charloom models --text reeds"))
@click.option("--text", metavar="TEXT", help="Only models that were trained on this text.")
@limit_options
@server_command
def models(ctx: CliContext, text: str | None, limit: int | None) -> None:
    """List models, newest first. LOSS is the validation loss in nats per character."""
    found = list(ctx.client.models.list(corpus_id=find_corpus(ctx, text).id if text else None, limit=limit))
    if ctx.json:
        ctx.print_json_list(found)
    elif not found and text:
        ctx.stderr.print("No model matches.")
    elif not found:
        ctx.stderr.print("There are no models. `charloom train FILE` trains one.")
    else:
        print_table(ctx.stdout, _COLUMNS, [_row(model) for model in found])


@click.command(
    epilog=examples(
        "charloom model reeds",
        'charloom model x7k2pq --name "Reeds, second try"',
        "charloom model reeds --metadata mood=calm",
        "charloom model reeds --base",
    )
)
@click.argument("model", metavar="MODEL")
@click.option("--name", help="The model's new name.")
@click.option("--metadata", multiple=True, type=Pair(), help="New metadata, replacing the old. Repeatable.")
@click.option(
    "--base/--no-base", default=None, help="Whether trainings on texts of its language start from it automatically."
)
@server_command
def model(
    ctx: CliContext, model: str, name: str | None, metadata: Sequence[tuple[str, str]], base: bool | None
) -> None:
    """Show a model, or change its name or metadata, or make it a base.

    MODEL is a model's name, its id, or the start or end of its id.
    """
    changes = name is not None or bool(metadata) or base is not None
    found = find_model(ctx, model, newest=not changes)
    if changes:
        found = ctx.client.models.patch(found, name=name, metadata=dict(metadata) if metadata else None, base=base)
    if ctx.json:
        ctx.print_json(found)
    else:
        print_card(ctx.stdout, _card(found))


@click.command(
    epilog=examples(
        "charloom download reeds",
        "charloom download reeds -o reeds.zip",
        "charloom download x7k2pq --format pth",
        "charloom download cor_01jd2m3n5q -o reeds.txt",
    )
)
@click.argument("model", metavar="MODEL|TEXT")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The file or directory to write to. [default: the current directory]",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["bundle", "pth"]),
    help="Of a model. bundle, the default: a zip file that `charloom import` reads. pth: the file format of the "
    "tutorial, for classic models.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@server_command
def download(ctx: CliContext, model: str, output: Path, kind: str | None, force: bool) -> None:
    """Download a model or a text.

    An interrupted download continues where it stopped. The SHA-256 of a model's file is checked at the end.
    """
    found = find_model(ctx, model) if kind else _find_model_or_corpus(ctx, model, newest=True)
    bar = Progress(
        TextColumn("downloading"),
        BarColumn(bar_width=20),
        DownloadColumn(binary_units=True),
        console=ctx.stderr,
        transient=True,
        disable=not ctx.stderr.is_terminal,
    )
    try:
        with bar:
            task = bar.add_task("", total=None)
            tell = partial(_show, bar, task)
            if isinstance(found, Corpus):
                path = ctx.client.corpora.download(found, output, overwrite=force, tell=tell)
            else:
                path = ctx.client.models.download(
                    found, output, format="pth" if kind == "pth" else "bundle", overwrite=force, tell=tell
                )
    except FileExistsError as exc:
        raise Failure(f"{exc.filename} already exists. --force replaces it.", Exit.USAGE) from exc
    except OSError as exc:
        raise Failure(f"{exc.filename or output} can't be written: {exc.strerror}.", Exit.USAGE) from exc
    if ctx.json:
        name = "corpus_id" if isinstance(found, Corpus) else "model_id"
        ctx.print_json({"object": "file", "path": str(path), "bytes": path.stat().st_size, name: found.id})
    else:
        ctx.print_result(str(path), f"{path} ({size(path.stat().st_size)})")


@click.command(
    "import", epilog=examples("charloom import reeds.zip", "charloom import text_generator.pth --name tutorial")
)
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="The model's name. [default: the file's]")
@server_command
def import_(ctx: CliContext, file: Path, name: str | None) -> None:
    """Import a model.

    FILE is a bundle from `charloom download`, or a .pth file that the tutorial's code saved (see docs/cli.md). It is
    never unpickled.

    Waits for the end of the import and prints the model's id.
    """
    try:
        job = ctx.client.models.import_file(file, name=name)
    except OSError as exc:
        raise Failure(f"{file} can't be read: {exc.strerror}.", Exit.USAGE) from exc
    follow_job(ctx, job)


@click.command(epilog=examples("charloom delete reeds", "charloom delete mod_01jd2m3n4p cor_01jd2m3n5q --yes"))
@click.argument("names", metavar="MODEL|TEXT...", nargs=-1, required=True)
@click.option("--yes", "-y", is_flag=True, help="Don't ask for confirmation.")
@server_command
def delete(ctx: CliContext, names: Sequence[str], yes: bool) -> None:
    """Delete models and texts.

    The server refuses to delete one that a queued or running job uses, except for the examination of a text, which is
    cancelled.
    """
    found = [_find_model_or_corpus(ctx, name) for name in names]
    if not yes:
        listed = "\n".join(f"  {one.id}  {one.name}" for one in found)
        answer = ask(ctx.stderr, f"Delete permanently?\n{listed}\n[y/N]")
        if answer is None:
            raise Failure("Nothing was deleted. Without a terminal to ask at, --yes is needed.", Exit.USAGE)
        if not answer.lower().startswith("y"):
            ctx.stderr.print("Nothing was deleted.")
            sys.exit(Exit.INTERRUPTED)
    for one in found:
        if isinstance(one, Model):
            ctx.client.models.delete(one)
        else:
            ctx.client.corpora.delete(one)
        if ctx.json:
            ctx.print_json_line({"object": one.object, "id": one.id, "deleted": True})
        else:
            ctx.print_result(one.id, f"Deleted: {one.id}")


def _show(bar: Progress, task: TaskID, received: int, total: int) -> None:
    bar.update(task, completed=received, total=total)


def _find_model_or_corpus(ctx: CliContext, name: str, *, newest: bool = False) -> Model | Corpus:
    if name.startswith("cor_"):
        return find_corpus(ctx, name, newest=newest)
    try:
        return find_model(ctx, name, newest=newest)
    except Failure as failure:
        if failure.exit_code is not Exit.NOT_FOUND or name.startswith("mod_"):
            raise
    try:
        return find_corpus(ctx, name, newest=newest)
    except Failure as failure:
        if failure.exit_code is not Exit.NOT_FOUND:
            raise
        raise Failure(f"There is no model and no text {name!r}.", Exit.NOT_FOUND) from failure


def _row(model: Model) -> Sequence[str]:
    kept = model.losses.train if model.losses.validation is None else model.losses.validation
    kind = "base" if model.base else model.recipe
    return model.id, model.name, loss(kept), size(model.bytes), age(model.created_at), kind


def _card(model: Model) -> list[tuple[str, str]]:
    losses = formatting.losses(training=model.losses.train, validation=model.losses.validation)
    if losses and model.losses.best_epoch is not None:
        losses.append(f"epoch {model.losses.best_epoch}")
    shape = [
        f"{name} {model.params[name]}"
        for name in ("hidden_size", "layers", "embedding_size", "seq_length")
        if model.params.get(name) is not None
    ]
    return [
        ("model", model.id),
        ("name", model.name),
        ("recipe", model.recipe),
        ("parameters", number(model.parameters)),
        ("shape", ", ".join(shape)),
        ("losses", f"{', '.join(losses)} (nats per character)" if losses else ""),
        ("baselines", formatting.baselines(model.baselines)),
        ("characters", f"{model.vocab_size}: {' '.join(model.vocabulary.split())}"),
        ("text", model.corpus_id or ""),
        ("job", model.job_id),
        ("started from", formatting.describe_start(model.starting_point) or model.parent_model_id or ""),
        ("base", "yes: trainings on texts of its language start from it" if model.base else ""),
        ("size", f"{size(model.bytes)}; formats: {', '.join(model.formats)}"),
        ("created", f"{age(model.created_at)} ago"),
        ("metadata", formatting.pairs(model.metadata)),
    ]
