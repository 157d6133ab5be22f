"""`charloom write`: a model writes; the text is on standard output as it comes, everything else on standard error."""

import sys
from collections.abc import Mapping
from typing import Any

import click
from pydantic import TypeAdapter

from charloom import CharloomError, Job, Texts
from cli.common.context import CliContext, close_output, examples, server_command
from cli.common.exit_codes import Exit, Failure
from cli.common.follow import watch
from cli.common.lookup import find_model
from cli.common.options import check_request, given_options, request_options
from cli.terminal.console import printable
from cli.terminal.line_wrapper import LineWrapper
from shared.requests.options import GenerateRequest

_REQUEST: TypeAdapter[Any] = TypeAdapter(GenerateRequest)
#: Characters of a prompt's end that are shown before the text.
PROMPT_CHARS = 300


@click.command(
    epilog=examples(
        "charloom write reeds",
        'charloom write reeds --prompt "There was a " --length 200',
        "charloom write mod_01jd --temperature 1.2 --n 3",
        "head -c 300 book.txt | charloom write reeds --prompt - > next.txt",
    )
)
@click.argument("model", metavar="MODEL")
@request_options(GenerateRequest, leave_out=["model_id"])
@server_command
def write(ctx: CliContext, model: str, **options: Any) -> None:
    """Let a model write.

    MODEL is a model's id, the beginning or the end of one, or its name. The prompt may be - for standard input. Ctrl-C
    stops the writing and keeps what is there.

    The text goes to standard output as it comes, several variants one after another.
    """
    given = given_options(options)
    if given.get("prompt") == "-":
        try:
            given["prompt"] = sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError as exc:
            raise Failure("The prompt on standard input is not UTF-8.", Exit.USAGE) from exc
    check_request(_REQUEST, {"model_id": "", **given})
    job = ctx.client.generate(find_model(ctx, model), **given)
    job = show_generation(ctx, job)
    if ctx.json:
        ctx.print_json(job)
    job.check()


def show_generation(ctx: CliContext, job: Job, *, cancel_on_interrupt: bool = True) -> Job:
    """Print a generated text as it arrives; return the ended job. Ctrl-C or a closed pipe may cancel the job."""
    printed = _GeneratedText(ctx, job)
    try:
        for event in watch(ctx, job, printed):
            for index, new in printed.texts.add(event):
                printed.show(index, new)
        job = ctx.client.jobs.wait(job)
        printed.finish(job)
    except KeyboardInterrupt:
        printed.end_line()
        if not cancel_on_interrupt:
            ctx.stderr.print(f"It writes on. `charloom job {job.id}` has the text at its end.", style="dim")
            sys.exit(Exit.INTERRUPTED)
        _cancel(ctx, job)
        ctx.stderr.print(f"Stopped. `charloom job {job.id}` has what was written.", style="dim")
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        close_output()
        if cancel_on_interrupt:
            _cancel(ctx, job)
        sys.exit(Exit.CLOSED)
    return job


def _cancel(ctx: CliContext, job: Job) -> None:
    try:
        ctx.client.jobs.cancel(job)
    except CharloomError as error:  # it has just ended, or the server is away: nothing is lost by that
        ctx.stderr.print(str(error), style="dim")


class _GeneratedText:
    """What stands on standard output: the first variant bit by bit, the others after it."""

    def __init__(self, ctx: CliContext, job: Job) -> None:
        self.texts = Texts()
        self._ctx = ctx
        self._quiet = ctx.json
        self._several = int(job.params.get("n") or 1) > 1
        self._begun = False
        self._wrap = LineWrapper(ctx.stdout.width) if ctx.stdout.is_terminal else None
        self._at_line_start = True
        if not self._quiet:
            self._show_prompt(str(job.params.get("prompt") or ""))

    def show_event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Do nothing: text is put together first."""

    def show_status(self, words: str) -> None:
        """Say what it waits for, before the text begins."""
        if words and not self._begun:
            self._ctx.stderr.print(words, style="dim")

    def show(self, index: int, new: str) -> None:
        """Print what is new of the first variant."""
        if index == 0 and not self._quiet:
            self._begun = True
            self._write(new)

    def finish(self, job: Job) -> None:
        """Print the other variants, and say what is known of the texts."""
        if self._quiet:
            return
        self.end_line()
        for output in job.outputs:
            if output.index:
                self._write("\n")
                self._print_heading(output.index + 1, len(job.outputs))
                self._write(output.text)
                self.end_line()
        if self.texts.changed:
            self._print_note(
                "Another worker had to write it again, differently: `charloom job` has the text that counts."
            )
        for output in job.outputs:
            self._print_note(_describe_overlap(output.index + 1 if self._several else None, output.copied))
        if job.result:
            self._print_note(f"Seed {job.result.get('seed')}; with --seed the same request gives the same again.")

    def end_line(self) -> None:
        """End the line that text stands in."""
        if self._wrap is not None:
            self._put(self._wrap.rest())
        if not self._at_line_start:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._put(text if self._wrap is None else self._wrap.add(printable(text)))

    def _put(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
        self._at_line_start = text.endswith("\n") if text else self._at_line_start

    def _show_prompt(self, prompt: str) -> None:
        """Show what it goes on from, where text and notes run together on one terminal."""
        if self._several:
            self._print_heading(1, 0)
        if prompt and self._ctx.stdout.is_terminal and self._ctx.stderr.is_terminal:
            shown = prompt if len(prompt) <= PROMPT_CHARS else f"…{prompt[-PROMPT_CHARS:]}"
            wrapped = printable(shown) if self._wrap is None else self._wrap.add(printable(shown)) + self._wrap.rest()
            self._ctx.stderr.print(wrapped, style="dim", end="", soft_wrap=True)
            self._at_line_start = wrapped.endswith("\n")

    def _print_heading(self, number: int, of: int) -> None:
        self._print_note(f"{number}." if not of else f"{number} of {of}.")

    def _print_note(self, words: str) -> None:
        if words and self._ctx.stderr.is_terminal:
            self._ctx.stderr.print(words, style="dim")


def _describe_overlap(number: int | None, copied: Mapping[str, Any] | None) -> str:
    """Say how much of a text stands in the corpus word for word."""
    if not copied:
        return ""
    which = "" if number is None else f"{number}: "
    share, longest = copied["share"], copied["longest"]
    return f"{which}{share:.0%} of it stands in the text word for word, {longest:,} characters at most in a row."
