"""Work in a child process that ends with it: its memory returns to the system, and has a limit of its own.

The child is a fork, which needs no seconds to load torch. It computes on one thread: the threads that OpenMP started
before the fork don't exist in the child, and it would wait for them forever.
"""

import ctypes
import json
import logging
import multiprocessing
import os
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from shared.errors import BadModelFile, VolumeUnavailable
from shared.sizes import size
from worker.jobs.lease import Lease, StopRequested

log = logging.getLogger(__name__)

#: Seconds between two checks of the lease while the child works.
CHECK_S = 0.1
#: Seconds of computing after which the child is killed.
MAX_CPU_S = 300
#: Linux' prctl option: the signal to get when the parent dies.
_PR_SET_PDEATHSIG = 1
#: Errors that are raised in the parent as they were in the child.
_ERRORS = {error.code: error for error in (BadModelFile, VolumeUnavailable)}


def die_with_parent() -> None:
    """Have this process killed when the process that forked it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run_in_child(work: Callable[[], str], *, lease: Lease, memory_bytes: int) -> str:
    """Do some work in a child process and return its result.

    Args:
        work: uses neither Redis nor the lease.
        lease: checked while the child works. It is killed if the job is to stop.
        memory_bytes: memory that the work may take in addition to what this process has.

    Raises:
        StopRequested, LeaseLost
        BadModelFile, VolumeUnavailable: as the work raised it, or because the child was killed for what it took.
        RuntimeError: the work raised something else, which is logged.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with receiver:
        with sender:
            child = _fork()  # multiprocessing's own Process is forbidden in a pool's child
            if child == 0:
                try:
                    _work(work, sender, memory_bytes)
                finally:
                    os._exit(0)  # what Python would tear down belongs to the parent
        try:
            while not receiver.poll(CHECK_S):
                if stop := lease.check():
                    raise StopRequested(stop)
            content = receiver.recv_bytes()
        except EOFError:
            content = b""
        finally:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    if not content:
        signal_number = os.WTERMSIG(status)
        raise BadModelFile(f"the file can't be read: the process that read it was ended by signal {signal_number}")
    answer = json.loads(content)
    if "result" in answer:
        return str(answer["result"])
    if answer["code"] in _ERRORS:
        raise _ERRORS[answer["code"]](answer["detail"])
    raise RuntimeError(answer["detail"])


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns, since there is the lease's thread. It holds no lock that the work needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _work(work: Callable[[], str], sender: Connection, memory_bytes: int) -> None:
    die_with_parent()
    torch.set_num_threads(1)
    _limit(resource.RLIMIT_CPU, MAX_CPU_S)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[5])
        _limit(resource.RLIMIT_DATA, pages * resource.getpagesize() + memory_bytes)
    try:
        answer = {"result": work()}
    except (BadModelFile, VolumeUnavailable) as exc:
        answer = {"code": exc.code, "detail": exc.detail}
    except MemoryError:
        detail = f"the file takes more than {size(memory_bytes)} of memory to read"
        answer = {"code": BadModelFile.code, "detail": detail}
    except Exception as exc:
        log.exception("The work of a child process failed")
        answer = {"code": "internal", "detail": type(exc).__name__}
    sender.send_bytes(json.dumps(answer).encode())


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
