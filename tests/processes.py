"""Commands run as a person would run them, and the processes below them."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from cli.service.service import ROOT
from cli.service.shutdown import is_process_running
from tests.preloaded import popen
from tests.waiting import eventually


class Running:
    """A command in a process of its own, its output in a file."""

    def __init__(
        self,
        words: Sequence[str],
        *,
        output: Path,
        environment: Mapping[str, str],
        stdin: IO[bytes] | None = None,
        new_interpreters: bool = False,
    ) -> None:
        """Start it, forked if possible and not `new_interpreters`; the latter holds for what it starts itself, too."""
        with output.open("wb") as file:
            if new_interpreters:
                self.process = subprocess.Popen(
                    words, cwd=ROOT, env=dict(environment), stdin=stdin or subprocess.DEVNULL, stdout=file, stderr=file
                )
            else:
                self.process = popen(words, cwd=ROOT, environment=environment, stdin=stdin, stdout=file)
        self._output = output
        self._seen: set[int] = set()

    @property
    def printed(self) -> str:
        """All that it has printed."""
        return self._output.read_text()

    def wait_for(self, words: str) -> str:
        """Wait until it has printed these words, and return their line."""

        def line() -> str:
            ended = self.process.poll() is not None
            found = next((line for line in self.printed.splitlines() if words in line), "")
            assert found or not ended, f"it ended without printing {words!r}:\n{self.printed}"
            return found

        return eventually(line, words, within_s=180)

    def descendants(self) -> dict[int, str]:
        """List every process below it, with its command line. They are remembered for `all_gone`."""
        found = below(self.process.pid)
        self._seen |= set(found)
        return found

    def all_gone(self) -> bool:
        """Return True if it and all that were ever listed below it are gone."""
        return self.process.poll() is not None and not any(is_process_running(pid) for pid in self._seen)

    def finish(self) -> None:
        """End it, and make sure that everything below it ends."""
        if self.process.poll() is None:
            self.descendants()
            self.process.kill()
            self.process.wait()
        eventually(self.all_gone, "everything is gone")


def below(pid: int) -> dict[int, str]:
    """List every process below one, with its command line."""
    listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [(int(own), int(parent), args) for own, parent, args in (row.split(None, 2) for row in listed.splitlines())]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        children = {own: args for own, parent, args in rows if parent in parents}
        found |= children
        parents = set(children)
    return found


def charloom(*arguments: str) -> list[str]:
    """Return a `charloom` command for this interpreter."""
    return [sys.executable, "-m", "cli.main", *arguments]
