"""The version before this one: which it is, its files, and a process that runs its code.

Also what `python -m bench.chaos.upgrade` takes when it is given no other.
"""

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: Where there is no tag: the first version whose workers leave a job with options that they don't know to newer ones.
FIRST_MIXABLE = "4080c91c85817bddb93b54b85c83afbe1309335a"


def version_before() -> str | None:
    """Return the newest tag before this commit, or else `FIRST_MIXABLE`; None where git or the history is missing."""
    tag = _git("describe", "--tags", "--abbrev=0", "HEAD^")
    found = tag.decode().strip() if tag else FIRST_MIXABLE
    return found if _git("cat-file", "-e", f"{found}^{{commit}}") is not None else None


def check_out(version: str, folder: Path) -> None:
    """Write the files of a version to a folder."""
    files = _git("archive", version)
    assert files is not None, f"git has no {version}"
    with tarfile.open(fileobj=BytesIO(files)) as archive:
        archive.extractall(folder, filter="data")


class Other:
    """A process that runs another version's code, see `process.py`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Send a request to its web server, and return the JSON of the response."""
        return self._do(method, path, body)

    def run(self, queue: str, job_id: str, *, drain: bool = False) -> None:
        """Have its worker take a message; with `drain` it releases the job after a step, and is drained for good."""
        self._do("drain" if drain else "run", queue, job_id)

    def _do(self, *words: Any) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps(words), file=stdin, flush=True)
        answer = stdout.readline()
        assert answer, f"{words}: the process has ended"
        return json.loads(answer)


@contextmanager
def started(folder: Path, environment: Mapping[str, str]) -> Iterator[Other]:
    """Start a process in the folder of a version; its log is `log` in there."""
    paths = {"PYTHONPATH": f"{folder}:{folder / 'client' / 'src'}"}
    command = [sys.executable, "-P", str(Path(__file__).with_name("process.py"))]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, **paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield Other(process)
        except BaseException:
            sys.stderr.write((folder / "log").read_text()[-5000:])
            raise
        finally:
            process.kill()


def _git(*words: str) -> bytes | None:
    """Return what git prints; None if it fails or isn't there."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
