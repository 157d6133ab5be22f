"""A training as it goes: a live bar at a terminal, a calm line now and then in a pipe."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from cli.terminal.console import printable
from cli.terminal.formatting import clock

#: Seconds between two lines in a pipe, and between two samples anywhere.
LINE_S, SAMPLE_S = 10.0, 12.0
#: Characters of a sample that are shown.
SAMPLE_CHARS = 160
#: Columns of the bar, and of all that stands beside the words.
WIDE_BAR, NARROW_BAR = 28, 12
#: How a note begins that stands in for "learning".
_WAITING = "waiting: "
_LABELS = len("learning ") + len(" 100%  ")


class TrainingProgress:
    """Shows a training job's events; use it in a `with` block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        bar = WIDE_BAR if console.width >= 100 else NARROW_BAR
        self._max_width = console.width - _LABELS - bar - 1 if console.is_terminal else 10_000
        self._bar = Progress(
            TextColumn("{task.fields[doing]}"),
            BarColumn(bar_width=bar),
            TextColumn(
                "{task.percentage:>3.0f}%  {task.description}", table_column=Column(no_wrap=True, overflow="crop")
            ),
            console=console,
            transient=False,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._bar.add_task("", total=1.0, doing="learning")
        self._losses: Mapping[str, Any] = {}
        self._line_at = self._sample_at = 0.0
        self._pending_sample: tuple[int | None, str] | None = None
        self._last_status = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._console.print()

    def show_event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show one event of the job, as far as it is worth showing now."""
        match kind:
            case "progress":
                self._progress(data)
            case "metric":
                self._add_losses(data)
            case "sample":
                self._sample(data)
            case "log":
                self._console.print(printable(str(data.get("message", ""))))
            case "reset":
                self._progress(data)
            case "done":
                self._done(data)

    def show_status(self, words: str) -> None:
        """Say what it waits for: in place of the figures at a terminal, as one line elsewhere; "" for nothing more."""
        if words and self._console.is_terminal:
            waits = words.startswith(_WAITING)
            said = words.removeprefix(_WAITING)
            self._bar.update(self._task, description=said, doing="waiting " if waits else "learning")
        elif words and words != self._last_status:
            self._console.print(words)
        self._last_status = words

    def _done(self, data: Mapping[str, Any]) -> None:
        if data.get("status") == "succeeded":
            self._bar.update(self._task, completed=1.0, description=self._describe({}), doing="learned ")
        else:
            self._bar.update(self._task, description=str(data.get("status", "")))
        if self._pending_sample:
            self._print_sample(*self._pending_sample)

    def _progress(self, data: Mapping[str, Any]) -> None:
        progress: Mapping[str, Any] = data["progress"]
        self._add_losses(data["metrics"] or {})
        words = self._describe(progress)
        self._bar.update(self._task, completed=progress.get("fraction") or 0.0, description=words, doing="learning")
        now = time.monotonic()
        if not self._console.is_terminal and now - self._line_at >= LINE_S and progress.get("step"):
            self._line_at = now
            self._console.print(f"learning {progress.get('fraction') or 0:4.0%}  {words}")

    def _add_losses(self, losses: Mapping[str, Any]) -> None:
        self._losses = {**self._losses, **{name: value for name, value in losses.items() if value is not None}}

    def _describe(self, progress: Mapping[str, Any]) -> str:
        """Say the figures, the most wanted first, as many as there is room for."""
        words = []
        if progress.get("eta_seconds") is not None:
            words.append(f"{clock(progress['eta_seconds'])} left")
        for name, label in (("validation_loss", "validation"), ("train_loss", "loss")):
            if self._losses.get(name) is not None:
                words.append(f"{label} {self._losses[name]:.3f}")
        if progress.get("epoch") is not None:
            words.append(f"epoch {progress['epoch']} of {progress['total_epochs']}")
        if progress.get("chars_per_second"):
            words.append(f"{progress['chars_per_second']:,.0f} characters/s")
        while words and len(", ".join(words)) > self._max_width:
            words.pop()
        return ", ".join(words)

    def _sample(self, data: Mapping[str, Any]) -> None:
        text = " ".join(printable(str(data.get("text", ""))[:SAMPLE_CHARS]).split())
        if not text:
            return
        self._pending_sample = (data.get("epoch"), text)
        now = time.monotonic()
        if now - self._sample_at >= SAMPLE_S:
            self._sample_at = now
            self._print_sample(*self._pending_sample)

    def _print_sample(self, epoch: int | None, text: str) -> None:
        self._pending_sample = None
        after = "" if epoch is None else f" after epoch {epoch}"
        said = f"it writes{after}: {text}"
        self._console.print(Padding(said, (0, 0, 0, 2)) if self._console.is_terminal else f"  {said}", style="dim")
