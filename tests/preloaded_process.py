"""The process that loads libraries once and forks for each program; tests/preloaded.py starts it and asks it."""

import atexit
import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, cast

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
#: This project's modules that take long to import. Importing them has no effects (but `worker`, see `_become`); those
#: that read the environment, as `worker.celery` does, are imported by each program.
_PROJECT = (
    "cli.commands.corpora",
    "cli.commands.jobs",
    "cli.commands.models",
    "cli.commands.train",
    "cli.commands.workers",
    "cli.commands.write",
    "web",
    "worker.consumer.consumer",
    "worker.jobs.runner",
    "worker.maintenance.bootsteps",
)
#: Each batch of a training with just this `checkpoint_seconds` takes so many seconds more; see `_slow_down`.
SLOW_CHECKPOINT_SECONDS, SLOW_BATCH_S = 1.01, 0.06
#: Longest message: arguments and environment.
MESSAGE_BYTES = 1 << 20
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


def command_address(pid: int) -> str:
    """Return the abstract Unix address at which a preloaded process takes programs from anyone."""
    return f"\0charloom-tests-{pid}"


def enlarge(end: socket.socket) -> None:
    """Let a socket take messages with a whole environment."""
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        end.setsockopt(socket.SOL_SOCKET, option, MESSAGE_BYTES)


def _serve(channel: socket.socket) -> Program | None:
    """Fork for each message. Returns the program to run in each child, and None when the tests have ended."""
    waits = selectors.DefaultSelector()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(command_address(os.getpid()))
    listener.listen()
    for end in (channel, listener):
        waits.register(end, selectors.EVENT_READ)
    children: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for key, _ in waits.select():
            if key.fd in children:
                pid, asked_by = children.pop(key.fd)
                waits.unregister(key.fd)
                os.close(key.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with contextlib.suppress(OSError):  # a command may have been killed meanwhile
                    asked_by.send(json.dumps({"pid": pid, "code": code}).encode())
                continue
            end = cast(socket.socket, key.fileobj)
            if end is listener:
                asker, _ = listener.accept()
                enlarge(asker)
                waits.register(asker, selectors.EVENT_READ)
                continue
            message, files = b"", list[int]()
            with contextlib.suppress(ConnectionResetError):  # who asked was killed
                message, files, _, _ = socket.recv_fds(end, MESSAGE_BYTES, 3)
            if not message:
                if end is channel:
                    return None
                waits.unregister(end)
                end.close()
                continue
            pid = os.fork()
            if pid == 0:
                for other in list(waits.get_map().values()):
                    os.close(other.fd)
                waits.close()
                for fd, file in enumerate(files):
                    os.dup2(file, fd)
                    os.close(file)
                program: Program = json.loads(message)
                return program
            for file in files:
                os.close(file)
            with contextlib.suppress(OSError):
                end.send(json.dumps({"started": pid}).encode())
            watched = os.pidfd_open(pid)
            children[watched] = pid, end
            waits.register(watched, selectors.EVENT_READ)


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
    runpy.run_module(program["module"], run_name="__main__", alter_sys=True)


def _slow_down() -> None:
    """Let trainings that tests interrupt last some seconds on any machine, without computing for as long."""
    trainer: Any = importlib.import_module("worker.training.trainer").Trainer
    train_batch = trainer._train_batch

    def train_slowly(self: Any) -> int:
        if self._request.checkpoint_seconds == SLOW_CHECKPOINT_SECONDS:
            time.sleep(SLOW_BATCH_S)
        return int(train_batch(self))

    trainer._train_batch = train_slowly


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


def _exit(code: int) -> None:
    """Exit as the interpreter does, but free no objects: to free torch's takes most of a second of processor time."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _main() -> None:
    importlib.import_module("worker")  # sets how threads wait, before torch is loaded
    for name in (*_LIBRARIES, *_PROJECT):
        importlib.import_module(name)
    _slow_down()
    importlib.import_module("worker.training.measure")._EACH_S = 0.05  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page of the libraries
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests handle Ctrl-C
    program = _serve(socket.socket(fileno=int(sys.argv[1])))
    if program is not None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            _become(program)
        except SystemExit as exc:
            if exc.code is None or isinstance(exc.code, int):
                _exit(exc.code or 0)
            raise
        _exit(0)


if __name__ == "__main__":
    _main()
