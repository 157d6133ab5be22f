"""A job watched to its end; Ctrl-C asks whether it is to be left alone or cancelled, a second one leaves it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from charloom import CharloomError, Event, Job, Silence, TooManyRequests, Unavailable, Unreachable
from cli.commands.command import Calling
from cli.commands.exit_codes import Exit
from cli.terminal.progress import TrainingProgress
from cli.terminal.prompts import ask

#: Seconds of silence after which a watched job is looked at: while it waits in a queue nothing happens to it.
LOOK_S = 5.0

AWAY = "the server is away; trying again"


class View(Protocol):
    """Shows what is watched."""

    def see(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show an event."""

    def note(self, words: str) -> None:
        """Say what it waits for; "" for nothing more."""


class JsonLines:
    """Prints every event as a line of JSON."""

    def __init__(self, call: Calling) -> None:
        self._call = call

    def see(self, kind: str, data: Mapping[str, Any]) -> None:
        """Do nothing: the follower prints whole events."""

    def note(self, words: str) -> None:
        """Say it on standard error."""
        if words:
            self._call.notes.print(words, style="dim")


def watch(call: Calling, job: Job, view: View, *, after: str = "") -> Iterator[Event]:
    """Yield a job's events to its end; what it waits for in between is told to the view. Raises CharloomError."""
    for told in call.loom.jobs.watch(job, after=after, silence_s=LOOK_S):
        if isinstance(told, Silence):
            view.note(_why(call, job, told))
        else:
            view.note("")
            yield told


def follow(call: Calling, job: Job) -> Job:
    """Watch a training or an import to its end and return it as it is then.

    With --json every event is printed as a line, and the job at the end. Leaves the command with 130 after Ctrl-C.
    """
    last_id, wished = "", False
    while True:
        try:
            with _view(call, job) as view:
                for event in watch(call, job, view, after=last_id):
                    if call.json:
                        call.line(event)
                    view.see(event.type, event.data)
                    last_id = event.id or last_id
            job = call.loom.jobs.wait(job)
            break
        except KeyboardInterrupt:
            wished = _cancel_or_leave(call, job, wished=wished)
    if call.json:
        call.line(job)
    if wished and job.status == "cancelled":
        call.notes.print(f"Cancelled. `charloom resume {job.id}` goes on where it stood.")
        sys.exit(Exit.INTERRUPTED)
    return job


def _view(call: Calling, job: Job) -> AbstractContextManager[View]:
    return TrainingProgress(call.notes) if job.type == "train" and not call.json else nullcontext(JsonLines(call))


def _why(call: Calling, job: Job, silence: Silence) -> str:
    """Say why nothing happens."""
    if silence.reason:
        return AWAY
    try:
        now = call.loom.jobs.get(job)
        if now.status != "queued":
            return ""
        if not call.loom.workers():
            return "waiting: no worker is there; `charloom doctor` says more"
    except (Unreachable, Unavailable, TooManyRequests):
        return AWAY
    return f"waiting: number {now.queue_position} in the queue" if now.queue_position else ""


def _cancel_or_leave(call: Calling, job: Job, *, wished: bool) -> bool:
    """Ask what Ctrl-C was meant to do. Returns True where the job is cancelled now; leaves the command otherwise."""
    answer = None
    if not wished:
        answer = ask(call.notes, "\nLeave the job alone, or cancel it? [L]eave, [c]ancel (Ctrl-C leaves):")
    if answer and answer.lower().startswith("c"):
        try:
            call.loom.jobs.cancel(job)
        except CharloomError as error:
            call.notes.print(str(error))
        return True
    call.notes.print(f"\nThe job goes on without you. `charloom job {job.id} --follow` watches it again.")
    sys.exit(Exit.INTERRUPTED)
