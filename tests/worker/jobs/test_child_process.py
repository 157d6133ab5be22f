"""Work in a child process: its result or its error comes back, its memory is limited, and it ends with the job."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from shared.errors import BadModelFile, VolumeUnavailable
from shared.jobs.rows import ModelLosses
from tests.waiting import eventually
from tests.worker.models import small_model
from worker.formats.bundle import read_upload, write_model
from worker.jobs import child_process
from worker.jobs.child_process import run_in_child
from worker.jobs.lease import Lease, StopRequest, StopRequested


class Held:
    """A lease that is held until `stop` returns a request."""

    def __init__(self, stop: Callable[[], StopRequest | None] = lambda: None) -> None:
        self.check = stop


def run(work: Callable[[], str], *, lease: Held | None = None) -> str:
    return run_in_child(lambda _: work(), lease=cast("Lease", lease or Held()), memory_bytes=100 << 20)


def raising(error: Exception) -> Callable[[], str]:
    def work() -> str:
        raise error

    return work


def killed() -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def test_a_model_is_read_and_written_after_the_parent_has_computed_on_two_threads(tmp_path: Path) -> None:
    # Given: OpenMP's threads, which a fork loses; and weights that torch would share out among them.
    model = small_model("classic", hidden_size=256)
    params: dict[str, Any] = {"recipe": "classic", "hidden_size": 256, "layers": 1, "embedding_size": 0}
    params |= {"seq_length": 20, "lowercase": True}

    def written(folder: Path, weights: Any) -> str:
        folder.mkdir()
        files = write_model(folder, params=params, vocabulary=model.vocabulary, weights=weights, losses=ModelLosses())
        return str(files["bundle"]["sha256"])

    sha256 = written(tmp_path / "a", model.module.weights())
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.randn(2000, 2000).matmul(torch.randn(2000, 2000)).tanh().sum()
        # When, then
        work = lambda: written(tmp_path / "b", read_upload(tmp_path / "a" / "document.pth").weights)  # noqa: E731
        assert run(work) == sha256
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("work", "error", "words"),
    [
        (raising(BadModelFile("no model")), BadModelFile, "^no model$"),
        (raising(VolumeUnavailable("full")), VolumeUnavailable, "^full$"),
        (raising(KeyError("a secret")), RuntimeError, "^KeyError$"),
        (lambda: str(len(bytearray(200 << 20))), BadModelFile, "more than 100 MiB of memory"),
        (killed, BadModelFile, "signal 9"),
    ],
    ids=["refused", "volume", "unforeseen", "memory", "killed"],
)
def test_an_error_of_the_child_is_raised_in_the_parent(
    work: Callable[[], str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        run(work)


def test_a_child_is_killed_when_its_job_is_to_stop(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def work() -> str:
        pid_file.write_text(str(os.getpid()))
        signal.pause()
        return "never"

    lease = Held(lambda: StopRequest.CANCEL if pid_file.exists() and pid_file.read_text() else None)
    with pytest.raises(StopRequested) as caught:
        run(work, lease=lease)
    assert caught.value.request is StopRequest.CANCEL
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_a_child_that_computes_for_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> str:
        while True:
            pass

    monkeypatch.setattr(child_process, "MAX_CPU_S", 1)
    with pytest.raises(BadModelFile, match=f"signal {signal.SIGXCPU}"):
        run(work)


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    # Given: a process that waits for its child, as a pool's does.
    pid_file = tmp_path / "pid"

    def work() -> str:
        pid_file.write_text(str(os.getpid()))
        signal.pause()
        return "never"

    middle = os.fork()
    if middle == 0:
        run(work)
    eventually(lambda: pid_file.exists() and pid_file.read_text(), "the child runs")
    # When
    os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    # Then
    eventually(lambda: not runs(int(pid_file.read_text())), "the child is gone")


def runs(pid: int) -> bool:
    """Return True if a process runs; one that has ended may stay as a zombie where nobody reaps it."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text("ascii").rpartition(")")[2].split()[0] != "Z"
