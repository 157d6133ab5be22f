"""A followed training says what it waits for, and then how far it is."""

import io

from rich.console import Console

from cli.terminal.progress import TrainingProgress

PROGRESS = {
    "progress": {"step": 3, "fraction": 0.5, "epoch": 1, "total_epochs": 2, "eta_seconds": 65},
    "metrics": {"train_loss": 2.5},
}


def test_at_a_terminal_waiting_and_learning_share_one_line() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, width=60, color_system=None)
    with TrainingProgress(console) as shown:
        shown.show_status("waiting: number 1 in the queue")
        shown._bar.refresh()  # what its own clock does ten times a second
        waiting = output.getvalue()
        shown.show_status("")
        shown.show_event("progress", PROGRESS)
    assert "waiting " in waiting
    assert "number 1 in the queue" in waiting
    last = output.getvalue().rpartition("learning")[2]
    assert "50%  1:05 left, loss 2.500" in last


def test_in_a_pipe_a_wait_is_said_once() -> None:
    output = io.StringIO()
    with TrainingProgress(Console(file=output, width=60)) as shown:
        for _ in range(3):
            shown.show_status("waiting: number 1 in the queue")
        shown.show_event("progress", PROGRESS)
    assert output.getvalue().count("waiting: number 1 in the queue") == 1
    assert "learning  50%  1:05 left, loss 2.500, epoch 1 of 2" in output.getvalue()
