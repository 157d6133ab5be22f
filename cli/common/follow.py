"""A job watched to its end; Ctrl-C asks whether it is to be left alone or cancelled, a second one leaves it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from charloom import CharloomError, Event, Job, Silence, TooManyRequests, Unavailable, Unreachable
from cli.common.context import CliContext
from cli.common.exit_codes import Exit
from cli.terminal.progress import TrainingProgress
from cli.terminal.prompts import ask

#: Seconds of silence after which a watched job is looked at: while it waits in a queue nothing happens to it.
POLL_S = 5.0

SERVER_AWAY = "the server is away; trying again"


class View(Protocol):
    """Shows what is watched."""

    def show_event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show an event."""

    def show_status(self, words: str) -> None:
        """Say what it waits for; "" for nothing more."""


class JsonLines:
    """Prints every event as a line of JSON."""

    def __init__(self, ctx: CliContext) -> None:
        self._ctx = ctx

    def show_event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Do nothing: the follower prints whole events."""

    def show_status(self, words: str) -> None:
        """Say it on standard error."""
        if words:
            self._ctx.stderr.print(words, style="dim")


def watch(ctx: CliContext, job: Job, view: View, *, after: str = "") -> Iterator[Event]:
    """Yield a job's events to its end; what it waits for in between is told to the view. Raises CharloomError."""
    for told in ctx.client.jobs.watch(job, after=after, silence_s=POLL_S):
        if isinstance(told, Silence):
            view.show_status(_waiting_reason(ctx, job, told))
        else:
            view.show_status("")
            yield told


def follow(ctx: CliContext, job: Job) -> Job:
    """Watch a training or an import to its end and return it as it is then.

    With --json every event is printed as a line, and the job at the end. Leaves the command with 130 after Ctrl-C.
    """
    last_id, cancel_requested = "", False
    while True:
        try:
            with _view(ctx, job) as view:
                for event in watch(ctx, job, view, after=last_id):
                    if ctx.json:
                        ctx.print_json_line(event)
                    view.show_event(event.type, event.data)
                    last_id = event.id or last_id
            job = ctx.client.jobs.wait(job)
            break
        except KeyboardInterrupt:
            cancel_requested = _cancel_or_leave(ctx, job, cancel_requested=cancel_requested)
    if ctx.json:
        ctx.print_json_line(job)
    if cancel_requested and job.status == "cancelled":
        ctx.stderr.print(f"Cancelled. `charloom resume {job.id}` goes on where it stood.")
        sys.exit(Exit.INTERRUPTED)
    return job


def _view(ctx: CliContext, job: Job) -> AbstractContextManager[View]:
    return TrainingProgress(ctx.stderr) if job.type == "train" and not ctx.json else nullcontext(JsonLines(ctx))


def _waiting_reason(ctx: CliContext, job: Job, silence: Silence) -> str:
    """Say why nothing happens."""
    if silence.reason:
        return SERVER_AWAY
    try:
        now = ctx.client.jobs.get(job)
        if now.status != "queued":
            return ""
        if not ctx.client.workers():
            return "waiting: no worker is there; `charloom doctor` says more"
    except (Unreachable, Unavailable, TooManyRequests):
        return SERVER_AWAY
    return f"waiting: number {now.queue_position} in the queue" if now.queue_position else ""


def _cancel_or_leave(ctx: CliContext, job: Job, *, cancel_requested: bool) -> bool:
    """Ask what Ctrl-C was meant to do. Returns True where the job is cancelled now; leaves the command otherwise."""
    answer = None
    if not cancel_requested:
        answer = ask(ctx.stderr, "\nLeave the job alone, or cancel it? [L]eave, [c]ancel (Ctrl-C leaves):")
    if answer and answer.lower().startswith("c"):
        try:
            ctx.client.jobs.cancel(job)
        except CharloomError as error:
            ctx.stderr.print(str(error))
        return True
    ctx.stderr.print(f"\nThe job goes on without you. `charloom job {job.id} --follow` watches it again.")
    sys.exit(Exit.INTERRUPTED)
