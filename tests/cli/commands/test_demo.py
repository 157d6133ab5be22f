"""`charloom demo` trains, generates, and leaves no process behind."""

import os
import pty
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run, Service, running_url, runs
from tests.cli.runner import Cli
from tests.waiting import eventually

CONTROLS = re.compile(r"[^\n\t\x20-\x7e\x80-\U0010ffff]|[\x80-\x9f]")


def write_book(path: Path) -> Path:
    path.write_text("The loom stood by the river, and the badger stood by the loom. " * 60)
    return path


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_book(tmp_path / "my own book.txt")


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run a demo at a terminal until it serves on, one for the module's tests."""
    folder = tmp_path_factory.mktemp("demo")
    book = write_book(folder / "my own book.txt")
    ours, theirs = pty.openpty()
    words = ("demo", "--text", str(book), "--data", str(folder / "data"), "--port", "0", "--seconds", "1")
    with runs(folder) as run, open(theirs, "rb", buffering=0) as terminal:  # noqa: PTH123 (a descriptor has no path)
        demo = run(*words, stdin=terminal)
        demo.wait_for("Ctrl-C stops the service")
        yield Service(up=demo, data_dir=folder / "data", url=running_url(demo))
    os.close(ours)


def test_without_a_terminal_it_trains_generates_names_make_up_and_ends(run: Run, data_dir: Path, book: Path) -> None:
    demo = run("demo", "--text", str(book), "--data", str(data_dir), "--port", "0", "--seconds", "1")
    demo.wait_for("The model continues this passage")
    demo.descendants()

    assert demo.process.wait() == 0
    eventually(demo.all_gone, "everything is gone")
    assert "my own book.txt: 3,780 characters" in demo.printed
    assert f"make up DATA={data_dir}" in demo.printed
    prompt = book.read_text()[:100].rsplit(maxsplit=1)[0]
    written = demo.printed.partition("this passage of the text:\n\n")[2].partition("\n\nStopped")[0]
    assert written.startswith(prompt)
    assert len(written.removeprefix(prompt)) in (699, 700), "but for a space at its end"
    assert not CONTROLS.search(demo.printed)
    made = [path for path in data_dir.rglob("*") if not path.is_socket()]
    assert {"text.txt", "bundle.zip", "job.json", "worker.log", "lock"} <= {path.name for path in made}
    assert [path for path in made if path.stat().st_mode & 0o077] == [], "no other user can read texts, models and logs"


def test_ctrl_c_in_the_middle_ends_everything(run: Run, data_dir: Path, book: Path, redis_url: str) -> None:
    words = ("demo", "--text", str(book), "--data", str(data_dir), "--port", "0", "--seconds", "600")
    demo = run(*words, CHARLOOM_REDIS_URL=redis_url)
    demo.wait_for("training")
    assert "valkey-server" not in " ".join(demo.descendants().values()), "it has a Redis of its own"
    assert not (data_dir / "valkey").exists()

    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait() == 1
    eventually(demo.all_gone, "everything is gone")
    assert "Traceback" not in demo.printed


def test_a_missing_text_is_reported_before_anything_starts(command: Cli, data_dir: Path) -> None:
    demo = command("demo", "--text", "no such book.txt", "--data", str(data_dir))
    assert demo.exit_code == 1
    assert "no such book.txt can't be read: No such file or directory" in demo.printed
    assert not (data_dir / "lock").exists()


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 40, "picture"), (b"short", "1,000")]
)
def test_a_refused_text_is_reported_with_the_services_message(
    command: Cli, serving: Service, tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "book.txt").write_bytes(content)
    demo = command("demo", "--text", str(tmp_path / "book.txt"), "--data", str(serving.data_dir))
    assert demo.exit_code == 1
    assert reason in demo.printed
    assert serving.up.process.poll() is None


def test_where_the_service_runs_already_it_uses_that_one(command: Cli, serving: Service, book: Path) -> None:
    demo = command("demo", "--text", str(book), "--data", str(serving.data_dir), "--seconds", "1")
    assert demo.exit_code == 0
    assert serving.url in demo.printed
    assert serving.up.process.poll() is None


def test_at_a_terminal_it_serves_on_until_ctrl_c(serving: Service) -> None:
    """The last of this file: it ends the service of the others."""
    serving.up.descendants()

    serving.up.process.send_signal(signal.SIGINT)

    assert serving.up.process.wait() == 0
    eventually(serving.up.all_gone, "everything is gone")
