"""Starts Python programs with their libraries loaded: a worker starts in half a second instead of four.

Importing torch and Celery takes seconds of processor time, and the tests start some two hundred workers, web servers
and commands. One process imports the libraries, none of this project's modules, and forks for each start; the fork then
runs `python -m MODULE …` as a new interpreter would, with its own arguments, environment, directory and session. A new
interpreter is started instead if the environment changes what libraries read while they load. `charloom up`, the
containers' commands and the installed package always start new ones.
"""

import ctypes
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_ROOT = Path(__file__).parents[1]
#: Outside packages of workers, web servers and commands.
_LIBRARIES = (
    "torch",
    "safetensors.torch",
    "celery.bin.worker",
    "celery.apps.worker",
    "celery.concurrency.prefork",
    "kombu.transport.redis",
    "redis",
    "httpx",
    "httpcore",
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "flask",
    "pydantic",
    "charset_normalizer",
    "click",
    "rich.console",
    "rich.progress",
    "rich.table",
)
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
#: Longest message: arguments and environment.
_MESSAGE_BYTES = 1 << 20
_CLONE_NEWNET = 0x40000000
_START_S = 120.0


class Preloaded:
    """The tests' handle of the process that has loaded the libraries."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                end.setsockopt(socket.SOL_SOCKET, option, _MESSAGE_BYTES)
        self._socket, self._lock = ours, threading.RLock()
        self._exits: dict[int, int] = {}
        with theirs:
            words = [sys.executable, "-m", "tests.preloaded", str(theirs.fileno()), " " * 2000]
            self._process = subprocess.Popen(
                words,
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def start(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        stdout: IO[bytes],
        stdin: IO[bytes] | None = None,
        stderr: IO[bytes] | None = None,
        new_session: bool = False,
    ) -> "subprocess.Popen[bytes] | None":
        """Start `python -m …`, in a network namespace after `ip netns exec`; None if that takes a new one.

        Args:
            words: the command, from the interpreter on.
            cwd: its working directory.
            environment: its whole environment.
            stdout: its standard output.
            stdin: its standard input; empty if left out.
            stderr: its standard error; `stdout` if left out.
            new_session: start it in a new session.
        """
        namespace = words[3] if list(words[:3]) == ["ip", "netns", "exec"] else None
        command = list(words[4:] if namespace else words)
        if command[:2] != [sys.executable, "-m"] or _once(environment) != _once(os.environ):
            return None
        program = {
            "module": command[2],
            "arguments": command[3:],
            "cwd": str(cwd),
            "environment": dict(environment),
            "new_session": new_session,
            "namespace": namespace,
        }
        with Path(os.devnull).open("rb") as nothing, self._lock:
            files = [file.fileno() for file in (stdin or nothing, stdout, stderr or stdout)]
            socket.send_fds(self._socket, [json.dumps(program).encode()], files)
            while "started" not in (found := self._receive(_START_S) or {}):
                assert self._process.poll() is None, "the preloaded process ended"
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

    def close(self) -> None:
        """End the process; its children continue."""
        self._socket.close()
        self._process.wait(_START_S)

    def _receive(self, timeout_s: float) -> dict[str, int] | None:
        self._socket.settimeout(timeout_s)
        try:
            found: dict[str, int] = json.loads(self._socket.recv(_MESSAGE_BYTES) or b"{}")
        except (TimeoutError, BlockingIOError):
            return None
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
    """Start `python -m …`, forked if possible; see `Preloaded.start`."""
    global _running  # noqa: PLW0603
    if _wanted:
        _running = _running or Preloaded()
        found = _running.start(
            words, cwd=cwd, environment=environment, stdout=stdout, stdin=stdin, stderr=stderr, new_session=new_session
        )
        if found is not None:
            return found
    return subprocess.Popen(
        words,
        cwd=cwd,
        env=dict(environment),
        stdin=stdin or subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr or subprocess.STDOUT,
        start_new_session=new_session,
    )


def _once(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_ONCE) and name != "PYTHONPATH"}


# In the preloaded process:


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork for each message. Returns the program to run in each child, and None when the tests have ended."""
    waits = selectors.DefaultSelector()
    waits.register(channel, selectors.EVENT_READ)
    children: dict[int, int] = {}
    while True:
        for key, _ in waits.select():
            if key.fileobj is not channel:
                pid = children.pop(key.fd)
                waits.unregister(key.fd)
                os.close(key.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                channel.send(json.dumps({"pid": pid, "code": code}).encode())
                continue
            message, files, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, 3)
            if not message:
                return None
            pid = os.fork()
            if pid == 0:
                waits.close()
                channel.close()
                for fd in children:
                    os.close(fd)
                for fd, file in enumerate(files):
                    os.dup2(file, fd)
                    os.close(file)
                program: dict[str, Any] = json.loads(message)
                return program
            for file in files:
                os.close(file)
            channel.send(json.dumps({"started": pid}).encode())
            watched = os.pidfd_open(pid)
            children[watched] = pid
            waits.register(watched, selectors.EVENT_READ)


def _become(program: Mapping[str, Any]) -> None:
    """Run a program as `python -m MODULE` would."""
    if program["new_session"]:
        os.setsid()
    if program["namespace"]:
        with (Path("/run/netns") / program["namespace"]).open("rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"no network namespace {program['namespace']}")
    os.chdir(program["cwd"])
    os.environ.clear()
    os.environ.update(program["environment"])
    inherited = [entry for entry in sys.path[1:] if entry not in _python_path(_PATH_AT_START)]
    sys.path[:] = [program["cwd"], *_python_path(os.environ.get("PYTHONPATH", "")), *inherited]
    sys.argv[:] = [program["module"], *program["arguments"]]
    _rename([sys.executable, "-m", *sys.argv])
    runpy.run_module(program["module"], run_name="__main__", alter_sys=True)


def _python_path(entries: str) -> list[str]:
    return [entry for entry in entries.split(os.pathsep) if entry]


def _rename(words: Sequence[str]) -> None:
    """Overwrite the command line that `ps` shows."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    line = b"\0".join(map(os.fsencode, words))[: end - begin - 1]
    ctypes.memmove(begin, line.ljust(end - begin, b"\0"), end - begin)


_PATH_AT_START = os.environ.get("PYTHONPATH", "")


def _main() -> None:
    importlib.import_module("worker")  # sets how threads wait, before torch is loaded; each worker sets it again
    for name in _LIBRARIES:
        importlib.import_module(name)
    del sys.modules["worker"]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests handle Ctrl-C
    program = _serve(socket.socket(fileno=int(sys.argv[1])))
    if program is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _become(program)


if __name__ == "__main__":
    _main()
