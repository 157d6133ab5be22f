"""Prints generated texts: the first as it is written, on standard output; what is known of them on standard error."""

import sys

from charloom import CharloomError, Copied, Event, Job, Texts
from cli.common.context import CliContext, close_output
from cli.common.exit_codes import Exit
from cli.common.items import ItemsProgress, describe_items, print_items
from cli.common.watch import watch
from cli.terminal.console import printable
from cli.terminal.line_wrapper import LineWrapper

#: Characters of a prompt's end that are shown.
PROMPT_CHARS = 300


def show_generation(ctx: CliContext, job: Job, *, cancel_on_exit: bool) -> Job:
    """Print the texts of a generate job as they come, or its items at the end, and return the job once it has ended.

    Ctrl-C or a closed pipe exits the command, and cancels the job where `cancel_on_exit`.
    """
    writes_items = bool(job.params.get("items"))
    view = None if writes_items else _GeneratedTexts(ctx, job)
    try:
        job = _show_text(ctx, job, view) if view else _show_items(ctx, job)
    except KeyboardInterrupt:
        if view:
            view.end_line()
        if cancel_on_exit:
            _cancel(ctx, job)
        state = "Stopped" if cancel_on_exit else "The job continues"
        shows = "--items` prints the items" if writes_items else "` shows the text"
        ctx.stderr.print(f"{state}. `charloom job {job.id}{' ' * writes_items}{shows}.", style="dim")
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        close_output()
        if cancel_on_exit:
            _cancel(ctx, job)
        sys.exit(Exit.CLOSED)
    return job


def _show_text(ctx: CliContext, job: Job, view: "_GeneratedTexts") -> Job:
    for _ in watch(ctx, job, view):
        pass
    job = ctx.client.jobs.wait(job)
    view.finish(job)
    return job


def _show_items(ctx: CliContext, job: Job) -> Job:
    with ItemsProgress(ctx) as view:
        for _ in watch(ctx, job, view):
            pass
    job = ctx.client.jobs.wait(job)
    if not ctx.json:
        print_items(ctx, job)
        if ctx.stderr.is_terminal or (job.items and job.items.finish_reason != "count"):
            ctx.stderr.print(describe_items(job), style="dim")
    return job


def _cancel(ctx: CliContext, job: Job) -> None:
    try:
        ctx.client.jobs.cancel(job)
    except CharloomError as error:  # the job has just ended, or the server can't be reached
        ctx.stderr.print(str(error), style="dim")


class _GeneratedTexts:
    """The first text bit by bit, then the others. With --json nothing: the job that is printed at the end has them."""

    def __init__(self, ctx: CliContext, job: Job) -> None:
        self._texts = Texts()
        self._ctx = ctx
        self._quiet = ctx.json
        self._wrapper = LineWrapper(ctx.stdout.width) if ctx.stdout.is_terminal else None
        self._at_line_start = True
        n = job.params.get("n")
        self._count = n if isinstance(n, int) else 1
        self._prompt = str(job.params.get("prompt") or "")
        if not self._quiet:
            self._begin(0)

    def show_event(self, event: Event) -> None:
        """Print what an event adds to the first text."""
        for index, new in self._texts.add(event):
            if index == 0 and not self._quiet:
                self._write(new)

    def show_status(self, status: str) -> None:
        """Print what the job waits for, unless that would fall into a text."""
        if status and not len(self._texts):
            self._ctx.stderr.print(f"waiting: {status}", style="dim")

    def finish(self, job: Job) -> None:
        """Print the other texts and what is known of all of them."""
        if self._quiet:
            return
        self.end_line()
        for output in job.outputs:
            if output.index:
                self._write("\n")
                self._begin(output.index)
                self._write(output.text)
                self.end_line()
        if self._texts.changed:
            self._note(f"Another worker wrote a different text; `charloom job {job.id}` shows the one that counts.")
        for output in job.outputs:
            number = output.index + 1 if self._count > 1 else None
            self._note(_describe_overlap(number, output.copied))
            self._note(_describe_cuts(number, output.runs_cut))
        if job.result:
            self._note(f"Seed {job.result.get('seed')}: the same request with --seed gives the same text.")

    def end_line(self) -> None:
        """Print the rest of the text and end its last line."""
        if self._wrapper is not None:
            self._put(self._wrapper.flush())
        if not self._at_line_start:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._put(text if self._wrapper is None else self._wrapper.add(printable(text)))

    def _put(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
        self._at_line_start = text.endswith("\n") if text else self._at_line_start

    def _begin(self, index: int) -> None:
        """Show which text follows, and the prompt before it if both are on one terminal."""
        if self._count > 1:
            self._note(f"{index + 1} of {self._count}:")
        prompt = self._prompt
        if prompt and self._wrapper is not None and self._ctx.stderr.is_terminal:
            end = prompt if len(prompt) <= PROMPT_CHARS else f"…{prompt[-PROMPT_CHARS:]}"
            wrapped = self._wrapper.add(printable(end)) + self._wrapper.flush()
            self._ctx.stderr.print(wrapped, style="dim", end="", soft_wrap=True)
            self._at_line_start = wrapped.endswith("\n")

    def _note(self, note: str) -> None:
        if note and self._ctx.stderr.is_terminal:
            self._ctx.stderr.print(note, style="dim")


def _describe_overlap(number: int | None, copied: Copied | None) -> str:
    if copied is None:
        return ""
    which = "" if number is None else f"{number}: "
    longest = f"at most {copied.longest:,} characters in a row"
    return f"{which}{copied.share:.0%} copied from the training text, {longest}."


def _describe_cuts(number: int | None, count: int) -> str:
    if not count:
        return ""
    which = "" if number is None else f"{number}: "
    times = "once" if count == 1 else f"{count:,} times"
    return f"{which}A run of one character was cut {times}; --max-run sets the limit, 0 removes it."
