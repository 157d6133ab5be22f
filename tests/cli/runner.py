"""Runs a command to its end, with its two outputs apart."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from cli.service.service import ROOT
from tests.preloaded import popen
from tests.processes import charloom


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def printed(self) -> str:
        """All that it has printed."""
        return self.stdout + self.stderr

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.stdout)

    @property
    def lines(self) -> list[Any]:
        """The JSON lines on standard output."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def id(self) -> str:
        """The id on standard output, all there is."""
        assert self.exit_code == 0, self.stderr
        assert len(self.stdout.split()) == 1, self.stdout
        return self.stdout.strip()


class Cli:
    """Run `charloom` in a folder."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = {**environment, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "client" / "src")))}

    def __call__(self, *arguments: str, stdin: bytes | None = None, **environment: str) -> CommandResult:
        """Run a command to its end."""
        with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
            given.write(stdin or b"")
            given.seek(0)
            process = popen(
                charloom(*arguments),
                cwd=self.folder,
                environment=self.environment | environment,
                stdin=given,
                stdout=out,
                stderr=err,
            )
            exit_code = process.wait()
            out.seek(0)
            err.seek(0)
            stdout, stderr = out.read().decode(), err.read().decode()
        assert "Traceback" not in stderr, stderr
        assert "\x1b" not in stdout + stderr, "no control characters in a pipe"
        return CommandResult(exit_code=exit_code, stdout=stdout, stderr=stderr)
