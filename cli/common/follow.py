"""Follows a job to its end and reports how it ended. Ctrl-C asks whether to cancel it; a second Ctrl-C doesn't."""

import sys
from contextlib import AbstractContextManager, nullcontext

from charloom import CharloomError, Job
from cli.common.context import CliContext
from cli.common.exit_codes import Exit, Failure
from cli.common.generation import show_generation
from cli.common.watch import JsonLines, View, watch
from cli.terminal.formatting import describe_training
from cli.terminal.progress import TrainingProgress
from cli.terminal.prompts import ask


def follow_job(ctx: CliContext, job: Job) -> Job:
    """Follow a job of any type and return it, ended. With --json, print it, its events and its end as lines of JSON.

    Raises:
        Failure, JobFailed: it ended without success.
    """
    if job.type == "train":
        if ctx.json:
            ctx.print_json_line(job)
        ended = _follow(ctx, job)
        _report_training(ctx, ended)
    elif job.type == "generate" and not ctx.json:
        ended = show_generation(ctx, job, cancel_on_exit=False).check()
    else:
        ended = _follow(ctx, job)
        if ended.corpus_id:
            if not ctx.json:
                ctx.print_result(ended.corpus_id, f"Text: {ended.corpus_id}")
            return ended
        model_id = ended.check().model_id
        if not ctx.json and model_id:
            ctx.print_result(model_id, f"Model: {model_id}")
    return ended


def _follow(ctx: CliContext, job: Job) -> Job:
    """Return the job once it has ended. After Ctrl-C exits with 130."""
    last_id, cancelled = "", False
    while True:
        try:
            with _view(ctx, job) as view:
                for event in watch(ctx, job, view, after=last_id):
                    last_id = event.id or last_id
            job = ctx.client.jobs.wait(job)
            break
        except KeyboardInterrupt:
            _cancel_or_exit(ctx, job, cancelled=cancelled)
            cancelled = True
    if ctx.json:
        ctx.print_json_line(job)
    if cancelled and job.status == "cancelled":
        ctx.stderr.print(f"Cancelled. `charloom resume {job.id}` continues it.")
        sys.exit(Exit.INTERRUPTED)
    return job


def _view(ctx: CliContext, job: Job) -> AbstractContextManager[View]:
    return TrainingProgress(ctx.stderr) if job.type == "train" and not ctx.json else nullcontext(JsonLines(ctx))


def _report_training(ctx: CliContext, job: Job) -> None:
    if job.status == "cancelled":
        raise Failure(f"The training was cancelled. `charloom resume {job.id}` continues it.", Exit.JOB_FAILED)
    model_id = job.check().model_id or ""
    ctx.stderr.print(describe_training(job))
    if not ctx.json:
        ctx.print_result(model_id, f"Model: {model_id}\nGenerate text with it: charloom write {model_id}")


def _cancel_or_exit(ctx: CliContext, job: Job, *, cancelled: bool) -> None:
    """Ask whether to cancel the job, and do so; on any other answer, or if it is cancelled already, exit."""
    answer = None
    if not cancelled:
        answer = ask(ctx.stderr, "\nCancel the job, or leave it running? [c]ancel, [L]eave (Ctrl-C leaves it):")
    if answer and answer.lower().startswith("c"):
        try:
            ctx.client.jobs.cancel(job)
        except CharloomError as error:
            ctx.stderr.print(str(error))
        return
    ctx.stderr.print(f"\nThe job continues. `charloom job {job.id} --follow` shows it again.")
    sys.exit(Exit.INTERRUPTED)
