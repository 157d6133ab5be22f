"""A followed training says what it waits for, and then how far it is."""

import io

from rich.console import Console

from charloom import Losses, Progress, ProgressData, ProgressEvent
from cli.terminal.progress import TrainingProgress

PROGRESS = ProgressEvent(
    data=ProgressData(
        progress=Progress(step=3, fraction=0.5, epoch=1, total_epochs=2, eta_seconds=65), metrics=Losses(train_loss=2.5)
    )
)


def test_at_a_terminal_waiting_and_training_share_one_line() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=60, color_system=None)
    with TrainingProgress(console) as shown:
        shown.show_status("number 1 in the queue")
        shown._bar.refresh()  # what its own clock does ten times a second
        waiting = output.getvalue()
        shown.show_status("")
        shown.show_event(PROGRESS)
    assert "waiting " in waiting
    assert "number 1 in the queue" in waiting
    assert "%" not in waiting, "nothing is done yet"
    last = output.getvalue().rpartition("training")[2]
    assert "50%  1:05 left, loss 2.500" in last


def test_in_a_pipe_every_status_is_a_line() -> None:
    output = io.StringIO()
    with TrainingProgress(Console(file=output, width=60)) as shown:
        shown.show_status("number 1 in the queue")
        shown.show_status("")
        shown.show_event(PROGRESS)
    lines = output.getvalue().splitlines()
    assert lines[:2] == ["waiting: number 1 in the queue", "training  50%  1:05 left, loss 2.500, epoch 1 of 2"]
