"""Work in a child process that ends with it: its memory returns to the system, and has a limit of its own.

The child is a fork, which needs no seconds to load torch. It computes on one thread: the threads that OpenMP started
before the fork don't exist in the child, and it would wait for them forever.
"""

import ctypes
import json
import logging
import math
import multiprocessing
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

import torch

from shared.errors import BadModelFile, JobFailed, VolumeUnavailable
from shared.sizes import size
from worker.jobs.lease import Lease, StopRequested

log = logging.getLogger(__name__)

#: Seconds between two checks of the lease while the child works.
CHECK_S = 0.1
#: Seconds of computing after which the child is killed.
MAX_CPU_S = 300
#: Linux' prctl option: the signal to get when the parent dies.
_PR_SET_PDEATHSIG = 1
#: Called in the child with the share of the work that is done, 0 to 1.
Report: TypeAlias = Callable[[float], None]


def enter_child() -> None:
    """Have this process killed when the process that forked it ends, and have its threads flush denormals to zero.

    torch sets that for the calling thread alone, and OpenMP's threads take it over when they start: it has to be set
    before the first operation that is split.
    """
    torch.set_flush_denormal(True)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run_in_child(
    work: Callable[[Report], str],
    *,
    lease: Lease,
    memory_bytes: int,
    max_s: float = math.inf,
    failure: type[JobFailed] = BadModelFile,
    report: Report = lambda _: None,
) -> str:
    """Do some work in a child process and return its result.

    Args:
        work: uses neither Redis nor the lease. It is passed a function that has `report` called in this process.
        lease: checked while the child works. It is killed if the job is to stop.
        memory_bytes: memory that the work may take in addition to what this process has.
        max_s: seconds after which the child is killed; it may compute for `MAX_CPU_S` of them.
        failure: the error that is raised where the work exceeds a limit.
        report: called with the share that is done.

    Raises:
        StopRequested, LeaseLost
        JobFailed: of type `failure`, as the work raised it, or because the child was killed for what it took.
        VolumeUnavailable: as the work raised it.
        RuntimeError: the work raised something else, which is logged.
    """
    until = time.monotonic() + max_s
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with receiver:
        with sender:
            child = _fork()  # multiprocessing's own Process is forbidden in a pool's child
            if child == 0:
                try:
                    _work(work, sender, memory_bytes, failure)
                finally:
                    os._exit(0)  # what Python would tear down belongs to the parent
        try:
            answer = None
            while answer is None:
                if stop := lease.check():
                    raise StopRequested(stop)
                if time.monotonic() > until:
                    raise failure(f"the file takes more than {max_s:g} seconds to read")
                if receiver.poll(CHECK_S):
                    message = json.loads(receiver.recv_bytes())
                    if "done" in message:
                        report(message["done"])
                    else:
                        answer = message
        except EOFError:
            pass
        finally:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    if answer is None:
        raise failure(_ended_by(os.WTERMSIG(status)))
    if "result" in answer:
        return str(answer["result"])
    if answer["code"] == VolumeUnavailable.code:
        raise VolumeUnavailable(answer["detail"])
    if answer["code"] == "internal":
        raise RuntimeError(answer["detail"])
    raise failure(answer["detail"], code=answer["code"])


def _ended_by(signal_number: int) -> str:
    if signal_number == signal.SIGXCPU:
        return f"the file takes more than {MAX_CPU_S} seconds of computing to read (signal {signal_number})"
    return f"the file can't be read: the process that read it was ended by signal {signal_number}"


def _fork() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns, since there is the lease's thread. It holds no lock that the work needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _work(work: Callable[[Report], str], sender: Connection, memory_bytes: int, failure: type[JobFailed]) -> None:
    def send(message: Mapping[str, object]) -> None:
        sender.send_bytes(json.dumps(message).encode())

    enter_child()
    torch.set_num_threads(1)
    _limit(resource.RLIMIT_CPU, MAX_CPU_S)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[5])
        _limit(resource.RLIMIT_DATA, pages * resource.getpagesize() + memory_bytes)
    try:
        answer = {"result": work(lambda done: send({"done": done}))}
    except (failure, VolumeUnavailable) as exc:
        answer = {"code": exc.code, "detail": exc.detail}
    except MemoryError:
        detail = f"the file takes more than {size(memory_bytes)} of memory to read"
        answer = {"code": failure.code, "detail": detail}
    except Exception as exc:
        log.exception("The work of a child process failed")
        answer = {"code": "internal", "detail": type(exc).__name__}
    send(answer)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
