"""`charloom train` and `charloom estimate`: a training, and what it would take."""

from typing import Any

import click
from pydantic import TypeAdapter

from charloom import Job
from cli.common.context import CliContext, examples, server_command
from cli.common.corpus_argument import resolve_corpus
from cli.common.exit_codes import Exit, Failure
from cli.common.follow import follow
from cli.common.lookup import find_model
from cli.common.options import check_request, given_options, request_options
from cli.terminal.formatting import duration, number
from cli.terminal.tables import print_card
from shared.requests.options import AnyTrainRequest, ClassicRequest, StreamRequest, TrainRequest
from shared.sizes import size

_REQUEST: TypeAdapter[Any] = TypeAdapter(AnyTrainRequest)
_options = request_options(StreamRequest, ClassicRequest, leave_out=["corpus_id"], help_of=TrainRequest)
#: Why a training ended, in words.
STOPPED = {
    "completed": "all epochs done",
    "early_stopped": "stopped early, since it no longer got better",
    "time_limit": "the time is up",
}


@click.command(
    epilog=examples(
        "charloom train book.txt --follow",
        "charloom train book.txt --max-seconds 60 --seed 1",
        "charloom train book.txt --recipe classic --epochs 5",
        "cat *.txt | charloom train - --name library",
        "charloom write $(charloom train book.txt --follow)",
    )
)
@click.argument("text", metavar="FILE")
@click.option("--follow", "-f", "following", is_flag=True, help="Watch it to its end.")
@_options
@server_command
def train(ctx: CliContext, text: str, following: bool, **options: Any) -> None:
    """Train a model on a text.

    FILE is a text file, - for standard input, or the id or name of a text on the server. Options left out have the
    recipe's defaults and shrink to fit a short text.

    Prints the job's id; with --follow the model's.
    """
    given = _checked_options(ctx, options)
    corpus = resolve_corpus(ctx, text, name=options.get("name"))
    job = ctx.client.train(corpus, **given)
    if following:
        if ctx.json:
            ctx.print_json_line(job)
        finish_training(ctx, follow(ctx, job))
    elif ctx.json:
        ctx.print_json(job)
    else:
        place = f", number {job.queue_position} in its queue" if job.queue_position else ""
        ctx.print_result(job.id, f"Queued{place}: {job.id}\n`charloom job {job.id} --follow` watches it.")


@click.command(
    epilog=examples(
        "charloom estimate book.txt",
        "charloom estimate book.txt --recipe classic",
        "charloom estimate book.txt --hidden-size 1024 --layers 3",
    )
)
@click.argument("text", metavar="FILE")
@_options
@server_command
def estimate(ctx: CliContext, text: str, **options: Any) -> None:
    """Tell what a training would take, without queueing it.

    FILE and the options are those of `charloom train`. The time is for the workers now seen.
    """
    given = _checked_options(ctx, options)
    found = ctx.client.estimate(resolve_corpus(ctx, text, name=options.get("name")), **given)
    if ctx.json:
        ctx.print_json(found)
        return
    unknown = "not known: no worker has told its speed yet"
    print_card(
        ctx.stdout,
        [
            ("parameters", number(found.parameters)),
            ("steps", number(found.steps)),
            ("time", unknown if found.seconds is None else f"about {duration(found.seconds)}"),
            ("memory", f"{size(found.memory_bytes)} at most"),
        ],
    )


def finish_training(ctx: CliContext, job: Job) -> None:
    """Tell how a training ended that was followed. Raises JobFailed where it ended otherwise than well."""
    if job.status == "cancelled":
        raise Failure(
            f"The training was cancelled. `charloom resume {job.id}` goes on where it stood.", Exit.JOB_FAILED
        )
    model_id = job.check().model_id or ""
    reason = str((job.result or {}).get("stop_reason", ""))
    if reason:
        losses = job.metrics
        best = "" if losses.best_loss is None else f"; best loss {losses.best_loss:.3f} in epoch {losses.best_epoch}"
        ctx.stderr.print(f"Learned: {STOPPED.get(reason, reason)}{best}.")
    if not ctx.json:
        ctx.print_result(model_id, f"The model: {model_id}\n`charloom write {model_id}` lets it write.")


def _checked_options(ctx: CliContext, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, checked before anything is sent."""
    given = given_options(options)
    if "init_from" in given:
        given["init_from"] = find_model(ctx, given["init_from"]).id
    check_request(_REQUEST, {"corpus_id": "", **given})
    return given
