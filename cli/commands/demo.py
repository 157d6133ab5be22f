"""`charloom demo`: upload a text, train on it for up to a minute and generate text, all through the HTTP API."""

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from charloom import Charloom, CharloomError, Corpus, Event, Texts
from cli.common.cleaning import describe_cleaning
from cli.common.context import examples
from cli.common.exit_codes import failure_from
from cli.service.lifecycle import acquire_lock, choose_port, in_use_error, read_settings, running_service
from cli.service.lock import DataDirInUse
from cli.service.service import ROOT
from cli.terminal.console import make_console
from cli.terminal.formatting import describe_corpus, describe_training
from cli.terminal.line_wrapper import LineWrapper
from cli.terminal.progress import TrainingProgress

#: The text for users who have none.
SAMPLE = ROOT / "shared" / "sample.txt"
#: Seconds of training: with start and generation the demo takes well under three minutes on two cores.
TRAIN_S = 60
#: Seconds without an event after which the demo fails, unless the training is queued.
SILENCE_S = 60.0
#: Seconds without an event after which the demo checks its processes.
POLL_S = 1.0
#: Characters of the prompt and of the generated text.
PROMPT_CHARS, LENGTH = 100, 700


class _ShutdownRequested(Exception):
    """Ctrl-C while the demo was running."""


@click.command(epilog=examples("charloom demo", "charloom demo --text book.txt --seconds 120"))
@click.option(
    "--text", type=click.Path(path_type=Path), help="The text to train on. [default: a sample of 34,000 characters]"
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data directory. [default: CHARLOOM_DATA_DIR, or data]",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="The web server's port; a free one if it is in use. [default: CHARLOOM_PORT, or 8000]",
)
@click.option("--seconds", type=click.IntRange(min=1), default=TRAIN_S, show_default=True, help="Training time.")
@click.option(
    "--clean/--no-clean",
    default=True,
    show_default=True,
    help="First remove from --text what no model should learn, such as a licence (see charloom findings).",
)
def demo(text: Path | None, data: Path | None, port: int | None, seconds: int, clean: bool) -> None:
    """Train on a text for up to a minute, then generate text.

    Runs a service as `charloom up` does, or uses the one that runs on this data. At a terminal the service then keeps
    running until Ctrl-C; otherwise it stops.
    """
    console = make_console()
    name, content = _read(text or SAMPLE)
    clean = clean and text is not None  # the sample is as it should be
    settings = read_settings(port=port, data=data)
    at_terminal = sys.stdin.isatty()
    try:
        lock = acquire_lock(settings, console)
    except DataDirInUse as in_use:
        if not in_use.url:
            raise in_use_error(in_use, settings) from in_use
        console.print(f"Using the Charloom that already runs on this data: {in_use.url}")
        with Charloom(in_use.url) as client:
            _run_demo(client, name, content, seconds, console, clean=clean, check=lambda: None)
        console.print(f"\nOpen {in_use.url} in a browser to continue.")
        return
    settings = choose_port(settings, any_free=True, console=console)
    with running_service(settings, lock, console) as (service, signals):

        def check() -> None:
            if signals.shutdown_requests:
                raise _ShutdownRequested
            service.check()

        with Charloom(service.url) as client:
            try:
                _run_demo(client, name, content, seconds, console, clean=clean, check=check)
            except _ShutdownRequested:
                raise click.Abort from None
        if at_terminal:
            console.print(f"\nOpen {service.url} in a browser to generate more text. Ctrl-C stops the service.")
            service.serve()
    path = "" if data is None else shlex.quote(str(data))
    by_make, by_command = (f" DATA={path}", f" --data {path}") if path else ("", "")
    console.print(f"\nStopped. `charloom up{by_command}` (or `make up{by_make}`) continues with this data.")


def _read(path: Path) -> tuple[str, bytes]:
    try:
        return path.name, path.expanduser().read_bytes()
    except OSError as exc:
        raise click.ClickException(f"{path} can't be read: {exc.strerror}.") from exc


def _run_demo(
    client: Charloom,
    name: str,
    content: bytes,
    seconds: int,
    console: Console,
    *,
    clean: bool,
    check: Callable[[], None],
) -> None:
    """Upload, train, generate. Raises click.ClickException with the service's message where it refuses."""
    try:
        corpus = client.corpora.add_bytes(content, name=name)
        console.print(f"\n{describe_corpus(corpus)}")
        if clean:
            corpus = _clean(client, corpus, console, check=check)
        console.print()
        model_id = _train(client, corpus, seconds, console, check=check)
        _generate(client, model_id, _prompt(client.corpora.text(corpus)), console, check=check)
    except CharloomError as exc:
        raise click.ClickException(failure_from(exc).message) from exc


def _clean(client: Charloom, corpus: Corpus, console: Console, *, check: Callable[[], None]) -> Corpus:
    """Return the text without what no model should learn, such as a licence; the same text if nothing is advised."""
    job = client.corpora.clean(corpus)
    for _ in client.jobs.watch(job, silence_s=POLL_S):
        check()
    made = client.corpora.cleaned(job)
    if made.id != corpus.id:
        console.print(f"Cleaned: {describe_corpus(made)}\n{describe_cleaning(client.corpora.cleaning(made))}")
    return made


def _train(client: Charloom, corpus: Corpus, seconds: int, console: Console, *, check: Callable[[], None]) -> str:
    """Train with a time limit; return the model's id."""
    job = client.train(corpus, name=corpus.name, max_seconds=seconds)
    with TrainingProgress(console) as progress:
        last_event_at = time.monotonic()
        for item in client.jobs.watch(job, silence_s=POLL_S):
            check()
            if isinstance(item, Event):
                last_event_at = time.monotonic()
                progress.show_event(item)
            elif time.monotonic() - last_event_at > SILENCE_S:
                current = client.jobs.get(job)
                if current.status != "queued":
                    raise click.ClickException(
                        f"The training has reported nothing for {SILENCE_S:g} s; see the worker's log."
                    )
                progress.show_status(f"number {current.queue_position} in the queue")
                last_event_at = time.monotonic()
    job = client.jobs.wait(job).check()
    console.print(f"{describe_training(job)} (The loss is in nats per character: the lower, the better.)\n")
    return job.model_id or ""


def _prompt(text: str) -> str:
    """Return a prompt: the first whole line of the text's second half, and what follows.

    Without one the service would take a random passage; of a downloaded book that may be its licence.
    """
    middle = text.find("\n", len(text) // 2) + 1
    words = text[middle : middle + PROMPT_CHARS].rsplit(maxsplit=1)
    return words[0] if words else text[:PROMPT_CHARS]


def _generate(client: Charloom, model_id: str, prompt: str, console: Console, *, check: Callable[[], None]) -> None:
    """Print a prompt, and the text with which the model continues it, as it is generated."""
    job = client.generate(model_id, prompt=prompt, length=LENGTH)
    wrapper = LineWrapper(console.width if console.is_terminal else sys.maxsize)
    console.print("The model continues this passage of the text:\n")
    console.print(wrapper.add(prompt) + wrapper.flush(), end="", style="dim", soft_wrap=True)
    texts = Texts()
    for item in client.jobs.watch(job, silence_s=POLL_S):
        check()
        for _, new in texts.add(item) if isinstance(item, Event) else ():
            console.print(wrapper.add(new), end="", soft_wrap=True)
    client.jobs.wait(job).check()
    console.print(wrapper.flush(), soft_wrap=True)
