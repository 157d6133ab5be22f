"""`charloom train` and `charloom estimate`: a training, and what it would take."""

from typing import Any

import click
from pydantic import TypeAdapter

from charloom import Job
from cli.commands.command import Calling, calling, examples
from cli.commands.exit_codes import Exit, Failure
from cli.commands.find import find_model
from cli.commands.follow import follow
from cli.commands.options import check, given, request_options
from cli.commands.texts import corpus_of
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
@calling
def train(call: Calling, text: str, following: bool, **options: Any) -> None:
    """Train a model on a text.

    FILE is a text file, - for standard input, or the id or name of a text on the server. Options left out have the
    recipe's defaults and shrink to fit a short text.

    Prints the job's id; with --follow the model's.
    """
    asked = _asked(call, options)
    corpus = corpus_of(call, text, name=options.get("name"))
    job = call.loom.train(corpus, **asked)
    if following:
        if call.json:
            call.line(job)
        finish_training(call, follow(call, job))
    elif call.json:
        call.document(job)
    else:
        place = f", number {job.queue_position} in its queue" if job.queue_position else ""
        call.result(job.id, f"Queued{place}: {job.id}\n`charloom job {job.id} --follow` watches it.")


@click.command(
    epilog=examples(
        "charloom estimate book.txt",
        "charloom estimate book.txt --recipe classic",
        "charloom estimate book.txt --hidden-size 1024 --layers 3",
    )
)
@click.argument("text", metavar="FILE")
@_options
@calling
def estimate(call: Calling, text: str, **options: Any) -> None:
    """Tell what a training would take, without queueing it.

    FILE and the options are those of `charloom train`. The time is for the workers now seen.
    """
    asked = _asked(call, options)
    found = call.loom.estimate(corpus_of(call, text, name=options.get("name")), **asked)
    if call.json:
        call.document(found)
        return
    unknown = "not known: no worker has told its speed yet"
    print_card(
        call.out,
        [
            ("parameters", number(found.parameters)),
            ("steps", number(found.steps)),
            ("time", unknown if found.seconds is None else f"about {duration(found.seconds)}"),
            ("memory", f"{size(found.memory_bytes)} at most"),
        ],
    )


def finish_training(call: Calling, job: Job) -> None:
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
        call.notes.print(f"Learned: {STOPPED.get(reason, reason)}{best}.")
    if not call.json:
        call.result(model_id, f"The model: {model_id}\n`charloom write {model_id}` lets it write.")


def _asked(call: Calling, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, checked before anything is sent."""
    asked = given(options)
    if "init_from" in asked:
        asked["init_from"] = find_model(call, asked["init_from"]).id
    check(_REQUEST, {"corpus_id": "", **asked})
    return asked
