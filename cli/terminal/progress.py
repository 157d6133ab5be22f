"""The progress of a training: a live bar at a terminal, a line every few seconds in a pipe."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from charloom import (
    DoneEvent,
    Event,
    LogEvent,
    Losses,
    Metric,
    MetricEvent,
    Progress,
    ProgressEvent,
    ResetEvent,
    SampleData,
    SampleEvent,
)
from cli.terminal.console import printable
from cli.terminal.formatting import clock, loss

#: Seconds between two lines in a pipe, and between two samples.
LINE_S, SAMPLE_S = 10.0, 12.0
#: Characters of a sample that are shown.
SAMPLE_CHARS = 160
#: Width of the bar: on terminals of 100 columns and more, and on narrower ones.
WIDE_BAR, NARROW_BAR = 28, 12
#: Cells in addition to the bar and the figures.
_LABELS = len("training ") + len(" 100%  ")


class TrainingProgress:
    """Shows the events of a training; use it in a `with` block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        width = WIDE_BAR if console.width >= 100 else NARROW_BAR
        self._max_width = console.width - _LABELS - width - 1 if console.is_terminal else 10_000
        self._bar = Bar(
            TextColumn("{task.fields[label]:<8}"),
            BarColumn(bar_width=width),
            TextColumn("{task.fields[percent]}{task.description}", table_column=Column(no_wrap=True, overflow="crop")),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=1.0, label="training", percent="")
        self._losses = Losses()
        self._line_at = self._sample_at = 0.0
        self._pending_sample: tuple[int | None, str] | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._console.print()

    def show_event(self, event: Event) -> None:
        """Show an event of the job; frequent ones are shown now and then."""
        match event:
            case ProgressEvent() | ResetEvent():
                self._show_progress(event.data.progress, event.data.metrics)
            case MetricEvent():
                self._update_losses(event.data)
            case SampleEvent():
                self._show_sample(event.data)
            case LogEvent():
                self._console.print(event.data.message)
            case DoneEvent():
                self._show_end(event.data.status)

    def show_status(self, status: str) -> None:
        """Show what the job waits for, next to the bar at a terminal, else on a line; "" if it no longer waits."""
        if self._console.is_terminal:
            label = "waiting" if status else "training"
            self._bar.update(self._task, label=label, percent="", description=status)
        elif status:
            self._console.print(f"waiting: {status}")

    def _show_end(self, status: str) -> None:
        if status == "succeeded":
            self._update("trained", 1.0, self._describe(Progress()))
        else:
            self._bar.update(self._task, description=printable(status))
        if self._pending_sample:
            self._print_sample(*self._pending_sample)

    def _show_progress(self, progress: Progress, losses: Losses | None) -> None:
        self._update_losses(losses or Losses())
        words = self._describe(progress)
        self._update("training", progress.fraction, words)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._line_at >= LINE_S and progress.step:
            self._line_at = now
            self._console.print(f"training {progress.fraction:4.0%}  {words}")

    def _update(self, label: str, fraction: float, description: str) -> None:
        self._bar.update(
            self._task, label=label, completed=fraction, percent=f"{fraction:>4.0%}  ", description=description
        )

    def _update_losses(self, losses: Losses | Metric) -> None:
        known = losses.model_dump(include=set(Losses.model_fields), exclude_none=True)
        self._losses = self._losses.model_copy(update=known)

    def _describe(self, progress: Progress) -> str:
        """Name the figures, the most important first, as many as there is room for."""
        words = []
        if progress.eta_seconds is not None:
            words.append(f"{clock(progress.eta_seconds)} left")
        for name, value in (("validation", self._losses.validation_loss), ("loss", self._losses.train_loss)):
            if value is not None:
                words.append(f"{name} {loss(value)}")
        if progress.epoch is not None:
            words.append(f"epoch {progress.epoch} of {progress.total_epochs}")
        if progress.chars_per_second:
            words.append(f"{progress.chars_per_second:,.0f} characters/s")
        while words and len(", ".join(words)) > self._max_width:
            words.pop()
        return ", ".join(words)

    def _show_sample(self, sample: SampleData) -> None:
        text = " ".join(sample.text[:SAMPLE_CHARS].split())
        if not text:
            return
        self._pending_sample = (sample.epoch, text)
        now = time.monotonic()
        if now - self._sample_at >= SAMPLE_S:
            self._sample_at = now
            self._print_sample(*self._pending_sample)

    def _print_sample(self, epoch: int | None, text: str) -> None:
        self._pending_sample = None
        after = "" if epoch is None else f" after epoch {epoch}"
        line = printable(f"sample{after}: {text}")
        self._console.print(Padding(line, (0, 0, 0, 2)) if self._console.is_terminal else f"  {line}", style="dim")
