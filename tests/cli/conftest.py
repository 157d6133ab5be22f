"""The command line, run for real."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import Running, charloom

Run = Callable[..., Running]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run `charloom` with arguments (and environment), and end it after the test."""
    started: list[Running] = []

    def start(*arguments: str, stdin: int = subprocess.DEVNULL, **environment: str) -> Running:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CHARLOOM_")}
        output = tmp_path / f"output-{len(started)}"
        running = Running(charloom(*arguments), output=output, environment=clean | environment, stdin=stdin)
        started.append(running)
        return running

    yield start
    for running in started:
        running.finish()
