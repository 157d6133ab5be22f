"""Commands of tests are found wherever the checkout is."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.preloaded import output_of, write_command


def test_a_command_runs_by_an_interpreter_whose_path_has_a_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output_of("this")  # the process that forks runs by the usual interpreter
    python = tmp_path / "new comer" / "it's python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    write_command(tmp_path / "command", "calendar")
    done = subprocess.run([tmp_path / "command", "2026", "11"], capture_output=True, text=True, check=True)
    assert "November 2026" in done.stdout
