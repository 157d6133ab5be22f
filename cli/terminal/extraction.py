"""The progress of a job that makes a text: a bar at a terminal, nothing in a pipe."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from charloom import Event, LogEvent, ProgressEvent


class ExtractionProgress:
    """Shows the events of such a job; use it in a `with` block."""

    def __init__(self, console: Console, doing: str = "extracting the text") -> None:
        self._doing = doing
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(doing, total=1.0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show_event(self, event: Event) -> None:
        """Show how much is done."""
        if isinstance(event, ProgressEvent):
            self._bar.update(self._task, completed=event.data.progress.fraction)
        elif isinstance(event, LogEvent):
            self._console.print(event.data.message)

    def show_status(self, status: str) -> None:
        """Show what the job waits for, next to the bar at a terminal, else on a line."""
        self._bar.update(self._task, description=f"waiting: {status}" if status else self._doing)
        if status and not self._console.is_terminal:
            self._console.print(f"waiting: {status}")
