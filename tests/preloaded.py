"""Starts Python programs with their modules loaded: a worker starts in half a second instead of four.

Importing torch and Celery takes seconds of processor time, and the tests start hundreds of workers, web servers and
commands. One process (tests/preloaded_process.py), which all of pytest-xdist's workers share, imports the modules and
forks for each start. The fork runs `python -m MODULE …` as a new interpreter would, with its own arguments,
environment, directory and session. A new interpreter is started instead if the environment changes what libraries read
while they load. The containers' commands and the installed package always start new ones; `charloom up` forks what it
starts, too, where it was forked itself.
"""

import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tests.preloaded_process import MESSAGE_BYTES, command_address, enlarge
from tests.preloaded_program import Program
from tests.waiting import eventually

_ROOT = Path(__file__).parents[1]
#: Variables that Python or a library reads only while it is loaded.
_READ_ONCE = (
    "PYTHON",
    "OMP_",
    "MKL_",
    "KMP_",
    "OPENBLAS_",
    "ATEN_",
    "ONEDNN_",
    "DNNL_",
    "TORCH_",
    "LC_",
    "LANG",
    "LD_",
)
_START_S = 120.0
#: The variable by which pytest-xdist's workers know the process that their controller has started.
SHARED = "TESTS_PRELOADED_PID"
#: A shell's command that forks a program, with the shell's standard streams, and exits as it does. A path with a space,
#: or a long one, can't follow the first line's #!, so sh runs what is a string to Python.
_COMMAND = """#!/bin/sh
'''exec' {python} -IS "$0" "$@"
'''
import json, os, socket, sys
program = dict(module={module!r}, arguments=sys.argv[1:], cwd=os.getcwd(), environment=dict(os.environ))
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as there:
    there.connect({address!r})
    socket.send_fds(there, [json.dumps(program | dict(new_session=False, namespace=None)).encode()], [0, 1, 2])
    answer = {{}}
    while "code" not in answer:
        answer = json.loads(there.recv(1 << 16))
sys.exit(answer["code"])
"""


class Preloaded:
    """The tests' handle of the process that has loaded the libraries."""

    def __init__(self, pid: int | None = None, *, modules: Sequence[str] = ()) -> None:
        """Start the process, with these modules loaded in addition, or use this one."""
        self._lock = threading.RLock()
        self._exits: dict[int, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        if pid is not None:
            self.pid = pid
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            enlarge(self._socket)
            eventually(lambda: self._socket.connect_ex(self.address) == 0, "it listens", within_s=_START_S)
            return
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            for end in (self._socket, theirs):
                enlarge(end)
            words = [sys.executable, "-m", "tests.preloaded_process", str(theirs.fileno()), *modules, " " * 2000]
            self._process = subprocess.Popen(
                words,
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self.pid = self._process.pid

    def start(self, words: Sequence[str], program: Program, files: Sequence[IO[bytes]]) -> "subprocess.Popen[bytes]":
        """Fork a process that runs a program, with these as its standard input, output and error."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(program).encode()], [file.fileno() for file in files])
            while "started" not in (found := self._receive(_START_S) or {}):
                assert self._process is None or self._process.poll() is None, "the preloaded process ended"
        return _Child(self, int(found["started"]), words)

    def exit_code(self, pid: int, timeout_s: float) -> int | None:
        """Return a child's exit code, negative for a signal, or None if it hasn't ended within this time."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                if pid not in self._exits:
                    self._receive(0)
                if pid in self._exits:
                    return self._exits[pid]
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.005)

    @property
    def address(self) -> str:
        """The Unix address at which it takes programs from other processes."""
        return command_address(self.pid)

    def close(self) -> None:
        """End the process, if this started it; its children continue."""
        self._socket.close()
        if self._process is not None:
            self._process.wait(_START_S)

    def _receive(self, timeout_s: float) -> dict[str, int] | None:
        self._socket.settimeout(timeout_s)
        try:
            message = self._socket.recv(MESSAGE_BYTES)
        except (TimeoutError, BlockingIOError):
            return None
        assert message, "the preloaded process ended"
        found: dict[str, int] = json.loads(message)
        if "pid" in found:
            self._exits[found["pid"]] = found["code"]
        return found


class _Child(subprocess.Popen[bytes]):
    """A forked process, with the interface of one that `subprocess` started."""

    def __init__(self, preloaded: Preloaded, pid: int, words: Sequence[str]) -> None:
        self._child_created = False  # `subprocess` has nothing to clean up
        self._preloaded, self.pid, self.args = preloaded, pid, list(words)
        self.stdin = self.stdout = self.stderr = None
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        if self.returncode is None:
            self.returncode = self._preloaded.exit_code(self.pid, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self.returncode = self._preloaded.exit_code(self.pid, float("inf") if timeout is None else timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self.returncode


_wanted = False
_running: Preloaded | None = None


@contextmanager
def forking() -> Iterator[None]:
    """Let `popen` fork inside this block."""
    global _wanted, _running  # noqa: PLW0603  (one per run of tests)
    _wanted = True
    yield
    _wanted = False
    if _running is not None:
        _running.close()
    _running = None


def _preloaded() -> Preloaded:
    global _running  # noqa: PLW0603
    if _running is None:
        pid = os.environ.get(SHARED)
        _running = Preloaded(int(pid) if pid else None)
    return _running


def write_command(path: Path, module: str) -> None:
    """Write a command that does what `python -m module` does, forked."""
    address = _preloaded().address
    with TemporaryFile() as output:  # a command that connects before the process listens would be refused
        assert popen([sys.executable, "-m", "this"], cwd=_ROOT, environment=os.environ, stdout=output).wait() == 0
    path.write_text(_COMMAND.format(python=shlex.quote(sys.executable), module=module, address=address))
    path.chmod(0o755)


def output_of(*words: str, **environment: str) -> str:
    """Run `python -m` with these words, forked if possible, and return what it prints."""
    with TemporaryFile() as output:
        process = popen([sys.executable, "-m", *words], cwd=_ROOT, environment=os.environ | environment, stdout=output)
        code = process.wait()
        output.seek(0)
        printed = output.read().decode()
    assert code == 0, printed
    return printed


def popen(
    words: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stdout: IO[bytes],
    stdin: IO[bytes] | None = None,
    stderr: IO[bytes] | None = None,
    new_session: bool = False,
) -> "subprocess.Popen[bytes]":
    """Start `python -m …`, forked if possible, in a network namespace after `ip netns exec`.

    Args:
        words: the command, from the interpreter or `ip` on.
        cwd: its working directory.
        environment: its whole environment.
        stdout: its standard output.
        stdin: its standard input; empty if left out.
        stderr: its standard error; `stdout` if left out.
        new_session: start it in a new session, whose terminal is its standard input if that is one.
    """
    with Path(os.devnull).open("rb") as nothing:
        files = (stdin or nothing, stdout, stderr or stdout)
        namespace = words[3] if list(words[:3]) == ["ip", "netns", "exec"] else None
        command = list(words[4:] if namespace else words)
        if _wanted and command[:2] == [sys.executable, "-m"] and _once(environment) == _once(os.environ):
            program = Program(
                module=command[2],
                arguments=command[3:],
                cwd=str(cwd),
                environment=dict(environment),
                new_session=new_session,
                namespace=namespace,
            )
            return _preloaded().start(words, program, files)
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=dict(environment),
            stdin=files[0],
            stdout=files[1],
            stderr=files[2],
            start_new_session=new_session,
        )


def _once(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_ONCE) and name != "PYTHONPATH"}
