"""`charloom demo`: upload a text, train on it for a minute, and have the model write, all through the HTTP API."""

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from charloom import Charloom, CharloomError, Corpus, Event, Texts
from cli.common.context import examples
from cli.common.exit_codes import failure_from
from cli.service.lifecycle import acquire_lock, choose_port, read_settings, running_service
from cli.service.lock import DataDirInUse
from cli.service.service import ROOT
from cli.terminal.console import make_console, printable
from cli.terminal.progress import TrainingProgress

#: The text that is there for whoever has none at hand.
SAMPLE = ROOT / "shared" / "sample.txt"
#: Seconds of computing: with start and writing, the demo stays well under three minutes on two cores.
TRAIN_S = 60
#: Seconds without a sign of the training after which the demo looks why, and gives up unless it is queued.
SILENCE_S = 60.0
#: Longest silence of a stream, seconds, before the demo looks after the processes it keeps.
POLL_S = 1.0
#: Characters of the passage at the end.
PASSAGE_CHARS = 700
#: Why a training ended, in words.
STOPPED = {
    "completed": "all epochs done",
    "early_stopped": "stopped early, since it no longer got better",
    "time_limit": "the time is up",
}
#: Characters to go on from.
PROMPT_CHARS = 100


class _ShutdownRequested(Exception):
    """Ctrl-C, while the demo was at work."""


@click.command(epilog=examples("charloom demo", "charloom demo --text book.txt --seconds 120"))
@click.option(
    "--text", type=click.Path(path_type=Path), help="The text to learn from. [default: the sample that comes with it]"
)
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Data directory. [default: data]")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port of the page; a free one if it is busy.")
@click.option("--seconds", type=click.IntRange(min=1), default=TRAIN_S, show_default=True, help="Time to train.")
def demo(text: Path | None, data: Path | None, port: int | None, seconds: int) -> None:
    """Train on a text for a minute, then let the model write.

    At a terminal the service stays up afterwards until Ctrl-C; without one the demo ends.
    """
    console = make_console()
    name, content = _read(text or SAMPLE)
    settings = read_settings(port=port, data=data)
    at_terminal = sys.stdin.isatty()
    try:
        lock = acquire_lock(settings, console)
    except DataDirInUse as taken:
        if not taken.address:
            raise click.ClickException(
                f"Another Charloom is just starting or ending on {settings.data_dir}."
            ) from taken
        console.print(f"Charloom already runs on this data; using it.\n  page      {taken.address}")
        with Charloom(taken.address) as client:
            _run_demo(client, name, content, seconds, console, check=lambda: None)
        console.print(f"\nThe page: {taken.address}")
        return
    settings = choose_port(settings, any_free=True, console=console)
    with running_service(settings, lock, console) as (service, signals):

        def check() -> None:
            if signals.shutdown_requests:
                raise _ShutdownRequested
            service.check()

        with Charloom(service.url) as client:
            try:
                _run_demo(client, name, content, seconds, console, check=check)
            except _ShutdownRequested:
                raise click.Abort from None
        if at_terminal:
            console.print(f"\nOpen {service.url} in a browser: the model is there to write with. Ctrl-C ends it.")
            service.serve()
    data_word = "" if data is None else f" DATA={shlex.quote(str(data))}"
    console.print(f"\nEnded. `make up{data_word}` serves the model and all that comes next.")


def _read(path: Path) -> tuple[str, bytes]:
    try:
        return path.name, path.expanduser().read_bytes()
    except OSError as exc:
        raise click.ClickException(f"The text {path} can't be read: {exc.strerror}.") from exc


def _run_demo(
    client: Charloom, name: str, content: bytes, seconds: int, console: Console, *, check: Callable[[], None]
) -> None:
    """Upload, train, write. Raises click.ClickException with the service's own words where it refuses."""
    try:
        corpus = client.corpora.add_bytes(content, name=name)
        console.print(
            f"\n{printable(corpus.name)}: {corpus.chars:,} characters, "
            f"{corpus.vocab_size_lowercase} different ones in lower case.\n"
        )
        model_id = _train(client, corpus, seconds, console, check=check)
        _write(client, model_id, _passage(client.corpora.text(corpus)), console, check=check)
    except CharloomError as exc:
        raise click.ClickException(failure_from(exc).message) from exc


def _train(client: Charloom, corpus: Corpus, seconds: int, console: Console, *, check: Callable[[], None]) -> str:
    """Train for so long at most; return the model's id."""
    job = client.train(corpus, name=corpus.name, max_seconds=seconds)
    with TrainingProgress(console) as progress:
        heard_at = time.monotonic()
        for event in client.jobs.watch(job, silence_s=POLL_S):
            check()
            if isinstance(event, Event):
                heard_at = time.monotonic()
                progress.show_event(event.type, event.data)
            elif time.monotonic() - heard_at > SILENCE_S:
                waiting = client.jobs.get(job)
                if waiting.status != "queued":
                    raise click.ClickException(
                        f"Nothing has been heard of the training for {SILENCE_S:g} s; see the worker's log."
                    )
                console.print(f"It waits for its turn: place {waiting.queue_position} in the queue.")
                heard_at = time.monotonic()
    job = client.jobs.wait(job).check()
    losses, reason = job.metrics, (job.result or {}).get("stop_reason", "")
    if losses.best_loss is not None:
        console.print(
            f"\nLearned: {STOPPED.get(reason, reason)}; the best epoch is number {losses.best_epoch}, with "
            f"{losses.best_loss:.3f} nats a character on what was kept back.\n"
        )
    return job.model_id or ""


def _passage(text: str) -> str:
    """Return some words to go on from: the first whole line of the text's second half, and what follows.

    Left out, the service would take a passage anywhere; of a book as it is downloaded that may be its licence.
    """
    middle = text.find("\n", len(text) // 2) + 1
    words = text[middle : middle + PROMPT_CHARS].rsplit(maxsplit=1)
    return words[0] if words else text[:PROMPT_CHARS]


def _write(client: Charloom, model_id: str, prompt: str, console: Console, *, check: Callable[[], None]) -> None:
    """Have the model write, and show the text as it comes."""
    job = client.generate(model_id, prompt=prompt, length=PASSAGE_CHARS)
    console.print("The model writes:\n")
    texts = Texts()
    for event in client.jobs.watch(job, silence_s=POLL_S):
        check()
        for _, new in texts.add(event) if isinstance(event, Event) else ():
            console.print(printable(new), end="")
    result = client.jobs.wait(job).check().result or {}
    went_on_from = " ".join(printable(result["prompt"]).split())
    console.print(f"\n\nIt went on from: {went_on_from} …", style="dim")
