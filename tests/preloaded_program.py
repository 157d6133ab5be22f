"""What a forked process does to become `python -m MODULE …`, and to fork the Python programs that it starts.

`charloom up` starts its web server and worker as new interpreters, which import torch and Celery for seconds. One that
was forked itself forks them: `subprocess.Popen` does all that it does up to the moment at which the new process would
become another program. Process ids, sessions, open files and environments are what they would be.
"""

import atexit
import ctypes
import fcntl
import importlib
import os
import resource
import runpy
import signal
import subprocess
import sys
import termios
import threading
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypedDict

from cli.service.supervisor import REGISTER

_CLONE_NEWNET = 0x40000000


class Program(TypedDict):
    """What to run: `python -m module arguments`, where and how."""

    module: str
    arguments: list[str]
    cwd: str
    environment: dict[str, str]
    new_session: bool
    #: A network namespace, if not that of the tests.
    namespace: str | None


class _Forking(subprocess.Popen[bytes]):
    """Starts a program: one of Python's modules in a fork of this process."""

    def __init__(self, words: Sequence[str], **how: Any) -> None:
        command, registration = list(words), ""
        if command[:3] == ["/bin/sh", "-c", REGISTER]:
            registration, command = command[3], command[4:]
        if command[:2] == [sys.executable, "-m"]:
            program = Program(
                module=command[2],
                arguments=command[3:],
                cwd=str(how.get("cwd") or Path.cwd()),
                environment=dict(how.get("env") or os.environ),
                new_session=False,  # `subprocess` begins it
                namespace=None,
            )
            how["preexec_fn"] = partial(_run_child, program, registration, how.get("pass_fds", ()))
            for stream in (sys.stdout, sys.stderr):
                stream.flush()  # what is buffered would be written by both
        super().__init__(words, **how)


def _run_child(program: Program, registration: str, inherited: Sequence[int]) -> NoReturn:
    """Leave behind what a new program doesn't inherit, and run one."""
    try:
        if registration:
            os.write(0, f"+ {os.getpid()} {registration}\n".encode())
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # as Python does when it starts
            signal.signal(number, signal.SIG_IGN)
        first = 3
        for fd in (*sorted(inherited), resource.getrlimit(resource.RLIMIT_NOFILE)[0]):
            os.closerange(first, fd)  # one of them is the pipe by whose end `subprocess` knows that the program runs
            first = fd + 1
        atexit._clear()
        run(program)
    except BaseException:  # noqa: BLE001  (nothing may return to the program that forked)
        traceback.print_exc()
    finally:
        os._exit(1)


def run(program: Program) -> NoReturn:
    """Run a program as a new interpreter would, to its end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _become(program)
    except SystemExit as exc:
        if exc.code is None or isinstance(exc.code, int):
            _exit(exc.code or 0)
        raise
    _exit(0)


def _become(program: Program) -> None:
    """Run a program as `python -m MODULE` would."""
    if program["new_session"]:
        os.setsid()
        if os.isatty(0):
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if program["namespace"]:
        with (Path("/run/netns") / program["namespace"]).open("rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"no network namespace {program['namespace']}")
    os.chdir(program["cwd"])
    _open_streams()
    os.environ.clear()
    os.environ.update(program["environment"])
    importlib.reload(sys.modules["worker"])  # sets the variable again
    inherited = [entry for entry in sys.path[1:] if entry not in _python_path(_PATH_AT_START)]
    sys.path[:] = [program["cwd"], *_python_path(os.environ.get("PYTHONPATH", "")), *inherited]
    sys.argv[:] = [program["module"], *program["arguments"]]
    _rename([sys.executable, "-m", *sys.argv])
    if program["module"] == "cli.main":
        subprocess.Popen = _Forking  # type: ignore[assignment, misc]
    sys.modules.pop(program["module"], None)  # as when nothing has imported it: runpy would warn
    runpy.run_module(program["module"], run_name="__main__", alter_sys=True)


def _open_streams() -> None:
    """Open the standard streams again: those of the process that forked remember what /dev/null can do."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        old = getattr(sys, name)
        by_line = name == "stderr" or os.isatty(fd)
        mode, buffering = ("w", 1 if by_line else -1) if fd else ("r", -1)
        new = open(fd, mode, buffering, encoding=old.encoding, errors=old.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, new)


def _python_path(entries: str) -> list[str]:
    return [entry for entry in entries.split(os.pathsep) if entry]


def _rename(words: Sequence[str]) -> None:
    """Overwrite the command line that `ps` shows."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[45]), int(fields[46])
    line = b"\0".join(map(os.fsencode, words))[: end - begin - 1]
    ctypes.memmove(begin, line.ljust(end - begin, b"\0"), end - begin)


_PATH_AT_START = os.environ.get("PYTHONPATH", "")


def _exit(code: int) -> NoReturn:
    """Exit as the interpreter does, but free no objects: to free torch's takes most of a second of processor time."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
