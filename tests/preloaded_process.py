"""The process that loads libraries once and forks for each program; tests/preloaded.py starts it and asks it."""

import contextlib
import functools
import gc
import importlib
import importlib.metadata
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
import weakref
from typing import Any, cast

from cli.main import GROUPS
from tests.preloaded_program import Program, run
from tests.web import quick_apps

#: Outside packages of workers, web servers and commands.
_LIBRARIES = (
    "torch",
    "safetensors.torch",
    "celery.bin.celery",
    "celery.app.control",
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
#: This project's modules that take long to import, in addition to all commands. Importing them has no effects (but
#: `worker`, see tests/preloaded_program.py); those that read the environment, as `worker.celery` does, are imported by
#: each program.
_PROJECT = ("web", "worker.consumer.consumer", "worker.jobs.runner", "worker.maintenance.bootsteps")
#: Each batch of a training with just this `checkpoint_seconds` takes so many seconds more; see `_slow_down`.
SLOW_CHECKPOINT_SECONDS, SLOW_BATCH_S = 1.01, 0.06
#: The same for trainings of few batches, and for the canary of `charloom rehearse`.
SLOWER_CHECKPOINT_SECONDS, CANARY_CHECKPOINT_SECONDS = 1.03, 1.02
_PAUSES_S = {SLOW_CHECKPOINT_SECONDS: SLOW_BATCH_S, CANARY_CHECKPOINT_SECONDS: 0.08, SLOWER_CHECKPOINT_SECONDS: 0.18}
#: Longest message: arguments and environment.
MESSAGE_BYTES = 1 << 20


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


def _slow_down() -> None:
    """Let trainings that tests interrupt last some seconds on any machine, without computing for as long."""
    trainer: Any = importlib.import_module("worker.training.trainer").Trainer
    train_batch = trainer._train_batch

    def train_slowly(self: Any) -> int:
        time.sleep(_PAUSES_S.get(self._request.checkpoint_seconds, 0))
        return int(train_batch(self))

    trainer._train_batch = train_slowly
    canary: Any = importlib.import_module("cli.rehearsal.canary")
    canary.OPTIONS = {**canary.OPTIONS, "checkpoint_seconds": CANARY_CHECKPOINT_SECONDS}


def _measure_quickly() -> None:
    """Let a worker measure its speed in a tenth of a second, by a smaller training."""
    measure: Any = importlib.import_module("worker.training.measure")
    measure._EACH_S = 0.01
    measure._LARGE = {**measure._LARGE, "hidden_size": 128}


def _main() -> None:
    for name in ("entry_points", "version"):  # each call reads what is installed again
        setattr(importlib.metadata, name, functools.cache(getattr(importlib.metadata, name)))
    importlib.import_module("worker")  # sets how threads wait, before torch is loaded
    commands = {module for names in GROUPS.values() for module in names.values()}
    for name in (*_LIBRARIES, *_PROJECT, *sorted(commands), *sys.argv[2:-1]):
        importlib.import_module(name)
    quick_apps.compile_all()
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False  # to take torch's operators down again is two thirds of a short program's time
    assert threading.active_count() == 1, "no thread comes along in a fork"
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page of the libraries
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests handle Ctrl-C
    program = _serve(socket.socket(fileno=int(sys.argv[1])))
    if program is None:
        return
    if program["module"] != "tests.preloaded_worker":
        _slow_down()
        _measure_quickly()
    run(program)


if __name__ == "__main__":
    _main()
