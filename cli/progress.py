"""A training as it goes: a live bar at a terminal, a calm line now and then in a pipe."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from cli.terminal import printable

#: Seconds between two lines in a pipe, and between two samples anywhere.
LINE_S, SAMPLE_S = 10.0, 12.0
#: Characters of a sample that are shown.
SAMPLE_CHARS = 160


class TrainingProgress:
    """Shows a training job's events; use it in a `with` block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("learning"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%  {task.description}"),
            console=console,
            transient=False,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._bar.add_task("", total=1.0)
        self._losses: Mapping[str, Any] = {}
        self._line_at = self._sample_at = 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._console.print()

    def see(self, kind: str, data: Mapping[str, Any]) -> None:
        """Show one event of the job, as far as it is worth showing now."""
        match kind:
            case "progress":
                self._progress(data)
            case "metric":
                self._learn(data)
            case "sample":
                self._sample(str(data.get("text", "")))
            case "log":
                self._console.print(printable(str(data.get("message", ""))))
            case "done" if self._bar.disable is False:
                self._bar.update(self._task, completed=1.0)

    def _progress(self, data: Mapping[str, Any]) -> None:
        progress: Mapping[str, Any] = data["progress"]
        self._learn(data["metrics"] or {})
        words = self._describe(progress)
        self._bar.update(self._task, completed=progress.get("fraction") or 0.0, description=words)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._line_at >= LINE_S:
            self._line_at = now
            self._console.print(f"learning {progress.get('fraction') or 0:4.0%}  {words}")

    def _learn(self, losses: Mapping[str, Any]) -> None:
        self._losses = {**self._losses, **{name: value for name, value in losses.items() if value is not None}}

    def _describe(self, progress: Mapping[str, Any]) -> str:
        words = []
        if progress.get("epoch") is not None:
            words.append(f"epoch {progress['epoch']} of {progress['total_epochs']}")
        for name, label in (("train_loss", "loss"), ("validation_loss", "validation")):
            if self._losses.get(name) is not None:
                words.append(f"{label} {self._losses[name]:.3f}")
        if progress.get("chars_per_second"):
            words.append(f"{progress['chars_per_second']:,.0f} characters/s")
        if progress.get("eta_seconds") is not None:
            minutes, seconds = divmod(round(progress["eta_seconds"]), 60)
            words.append(f"{minutes}:{seconds:02} left")
        return ", ".join(words)

    def _sample(self, text: str) -> None:
        now = time.monotonic()
        if not text or now - self._sample_at < SAMPLE_S:
            return
        self._sample_at = now
        line = " ".join(printable(text[:SAMPLE_CHARS]).split())
        self._console.print(f"  it writes now: {line}", style="dim")
