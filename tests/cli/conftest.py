"""Fixtures: the commands as processes, and a whole service for them to call."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result

from cli.doctor import machine_checks
from cli.doctor.findings import ok
from cli.main import main
from tests.cli.pseudo_terminal import Terminal
from tests.cli.runner import Cli
from tests.client.stack import Stack, stacked
from tests.processes import Running, charloom

Run = Callable[..., Running]
_SERVES = re.compile(r"Open (http://\S+) in a browser")


def running_url(running: Running) -> str:
    """Wait until the service runs, and return its URL."""
    found = _SERVES.search(running.wait_for("Open http"))
    assert found
    return found[1]


def clean_environment() -> dict[str, str]:
    """Return the environment without variables that change what a command does."""
    # COLUMNS would override a terminal's own width; other tests in this process may set it.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARLOOM_")}
    kept["CHARLOOM_PACKAGED_BASES"] = "0"
    return {name: value for name, value in kept.items() if name not in ("COLUMNS", "LINES")}


@contextmanager
def runs(folder: Path) -> Iterator[Run]:
    """Run `charloom` with arguments and environment, its output in the folder; end it after the block."""
    started: list[Running] = []

    def start(
        *arguments: str, stdin: IO[bytes] | None = None, new_interpreters: bool = False, **environment: str
    ) -> Running:
        running = Running(
            charloom(*arguments),
            output=folder / f"output-{len(started)}",
            environment=clean_environment() | environment,
            stdin=stdin,
            new_interpreters=new_interpreters,
        )
        started.append(running)
        return running

    yield start
    for running in started:
        running.finish()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run `charloom`, and end it after the test."""
    with runs(tmp_path) as run:
        yield run


@pytest.fixture
def command(tmp_path: Path) -> Cli:
    """Run commands to their end in an empty directory, with no service to call but what their options name."""
    return Cli(tmp_path, clean_environment())


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running `charloom up`."""

    up: Running
    data_dir: Path
    url: str


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run `charloom up`, one for a module's tests."""
    folder = tmp_path_factory.mktemp("service")
    with runs(folder) as run:
        up = run("up", "--port", "0", "--data", str(folder / "data"))
        yield Service(up=up, data_dir=folder / "data", url=running_url(up))


@pytest.fixture(scope="module")
def stack(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a service with a worker, one for a module's tests."""
    with stacked(valkey, tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def cli(stack: Stack, tmp_path: Path) -> Cli:
    """Run commands that call that service, in an empty directory."""
    return Cli(tmp_path, clean_environment() | {"CHARLOOM_URL": stack.url})


def doctor_of(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs `charloom doctor` in this process, without the three seconds of loading torch."""
    monkeypatch.setattr(machine_checks, "_check_torch", lambda: [ok("torch", "2.13.0"), ok("kernel", "compiled")])
    monkeypatch.chdir(cli.folder)

    def run(*arguments: str, **environment: str) -> Result:
        runner = CliRunner(env=cli.environment | environment, catch_exceptions=False)
        return runner.invoke(main, ["doctor", *arguments])

    return run


@pytest.fixture
def terminal(cli: Cli) -> Iterator[Callable[..., Terminal]]:
    """Run `charloom` at a pseudo-terminal."""
    started: list[Terminal] = []

    def start(*arguments: str, columns: int = 80, **environment: str) -> Terminal:
        terminal = Terminal(charloom(*arguments), cli.environment | environment, cwd=cli.folder, columns=columns)
        started.append(terminal)
        return terminal

    yield start
    for terminal in started:
        terminal.close()
