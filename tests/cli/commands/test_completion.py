"""Completion, in a real bash."""

import os
import subprocess
from pathlib import Path

import pytest

from cli.service.service import ROOT
from tests.preloaded import write_command

ASK = """
eval "$(charloom completion bash)"
COMP_WORDS=(charloom "$@") COMP_CWORD=$#
_charloom_completion charloom
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("typed", "offered"), [(["tr"], "train"), (["write", "--temp"], "--temperature"), (["completion", "f"], "fish")]
)
def test_bash_completes_commands_and_options(tmp_path: Path, typed: list[str], offered: str) -> None:
    command = tmp_path / "charloom"
    write_command(command, "cli.main")
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client" / "src")])}
    done = subprocess.run(
        ["bash", "-c", ASK, "bash", *typed], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [offered], done.stderr
