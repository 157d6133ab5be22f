"""The events of a job, shown as they come, with what the job waits for in between."""

from collections.abc import Iterator
from typing import Protocol

from charloom import Event, Job, Silence, TooManyRequests, Unavailable, Unreachable
from cli.common.context import CliContext

#: Seconds without an event after which the job's state is looked up: a queued job has no events.
POLL_S = 5.0
SERVER_AWAY = "the server can't be reached; trying again"


class View(Protocol):
    """Shows a job."""

    def show_event(self, event: Event) -> None:
        """Show an event."""

    def show_status(self, status: str) -> None:
        """Show what the job waits for; "" if it no longer waits."""


class JsonLines:
    """Prints each event as a line of JSON if --json was given, and statuses on standard error."""

    def __init__(self, ctx: CliContext) -> None:
        self._ctx = ctx

    def show_event(self, event: Event) -> None:
        """Print the event."""
        if self._ctx.json:
            self._ctx.print_json_line(event)

    def show_status(self, status: str) -> None:
        """Print the status."""
        if status:
            self._ctx.stderr.print(f"waiting: {status}", style="dim")


def watch(ctx: CliContext, job: Job, view: View, *, after: str = "") -> Iterator[Event]:
    """Show a job's events until it has ended, and yield each. `view` gets a status only when it has changed.

    Raises CharloomError.
    """
    shown = ""
    for item in ctx.client.jobs.watch(job, after=after, silence_s=POLL_S):
        status = _status(ctx, job, item) if isinstance(item, Silence) else ""
        if status != shown:
            view.show_status(status)
            shown = status
        if isinstance(item, Event):
            view.show_event(item)
            yield item


def _status(ctx: CliContext, job: Job, silence: Silence) -> str:
    """Say what a silent job waits for; "" while it runs."""
    if silence.reason:
        return SERVER_AWAY
    try:
        now = ctx.client.jobs.get(job)
        if now.status != "queued":
            return ""
        if not ctx.client.workers():
            return "no worker is running; `charloom doctor` says more"
    except (Unreachable, Unavailable, TooManyRequests):
        return SERVER_AWAY
    return f"number {now.queue_position} in the queue" if now.queue_position else ""
