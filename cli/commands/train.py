"""`charloom train` and `charloom estimate`."""

from typing import Any

import click
from pydantic import TypeAdapter

from cli.common.cleaning import clean, clean_option
from cli.common.context import CliContext, examples, server_command
from cli.common.corpus_argument import resolve_corpus, take_upload_options, upload_options
from cli.common.follow import follow_job
from cli.common.lookup import find_model
from cli.common.options import check_request, given_options, request_options
from cli.terminal.formatting import describe_start, duration, number
from cli.terminal.tables import print_card
from shared.requests.options import AUTO, AnyTrainRequest, ClassicRequest, StreamRequest, TrainRequest
from shared.sizes import size

REQUEST: TypeAdapter[Any] = TypeAdapter(AnyTrainRequest)
_options = request_options(StreamRequest, ClassicRequest, leave_out=["corpus_id"], help_of=TrainRequest)


@click.command(
    epilog=examples(
        "charloom train book.epub --follow",
        "charloom train book.txt --max-seconds 60 --seed 1",
        "charloom train book.txt --clean advised",
        "charloom train book.txt --recipe classic --epochs 5",
        "charloom train posts.csv --column text",
        "cat *.txt | charloom train - --name library",
        "charloom write $(charloom train book.txt --follow)",
    )
)
@click.argument("text", metavar="FILE")
@click.option("--follow", "-f", "following", is_flag=True, help="Show the progress and wait for the end.")
@upload_options
@clean_option
@_options
@server_command
def train(ctx: CliContext, text: str, following: bool, remedies: tuple[str, ...], **options: Any) -> None:
    """Train a model on a text.

    FILE is a text, a book or a document (EPUB, HTML, DOCX, ODT, FB2, RTF, PDF, Markdown, subtitles, .gz, .zip), a
    folder of them, - for standard input, or the id or name of a text on the server. Options that aren't given have
    the recipe's defaults, some of which depend on the text and the time limit.

    Prints the job's id, or the model's with --follow.
    """
    upload = take_upload_options(options)
    given = _checked_options(ctx, options)
    corpus = resolve_corpus(ctx, text, name=options.get("name"), upload=upload)
    if remedies:
        corpus = clean(ctx, corpus, remedies)
    job = ctx.client.train(corpus, **given)
    if following:
        follow_job(ctx, job)
    elif ctx.json:
        ctx.print_json(job)
    else:
        place = f", number {job.queue_position} in the queue" if job.queue_position else ""
        ctx.print_result(job.id, f"Queued{place}: {job.id}\nFollow it: charloom job {job.id} --follow")


@click.command(
    epilog=examples(
        "charloom estimate book.txt",
        "charloom estimate book.txt --recipe classic",
        "charloom estimate book.txt --hidden-size 1024 --layers 3",
    )
)
@click.argument("text", metavar="FILE")
@upload_options
@_options
@server_command
def estimate(ctx: CliContext, text: str, **options: Any) -> None:
    """Estimate a training's time and memory.

    Takes the FILE and options of `charloom train`, and queues nothing. The time is for the workers that are running.
    """
    upload = take_upload_options(options)
    given = _checked_options(ctx, options)
    corpus = resolve_corpus(ctx, text, name=options.get("name"), upload=upload)
    found = ctx.client.estimate(corpus, **given)
    if ctx.json:
        ctx.print_json(found)
        return
    unknown = "unknown: no worker has reported its speed"
    print_card(
        ctx.stdout,
        [
            ("parameters", number(found.parameters)),
            ("steps", number(found.steps)),
            ("time", unknown if found.seconds is None else f"about {duration(found.seconds)}"),
            ("memory", f"at most {size(found.memory_bytes)}"),
            ("starts from", describe_start(found.starting_point)),
        ],
    )


def _checked_options(ctx: CliContext, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, checked before anything is sent."""
    given = given_options(options)
    if given.get("init_from", AUTO) not in (None, AUTO):
        given["init_from"] = find_model(ctx, given["init_from"]).id
    check_request(REQUEST, {"corpus_id": "", **given})
    return given
