"""Stand-ins for the children of a service, and a stand-in for `charloom up` that keeps them until it is ended.

    python -m tests.cli.service.fake_children DIRECTORY

Each child starts a grandchild in its own session that ignores SIGTERM, writes both process ids to DIRECTORY/NAME.pids,
and notes its orderly end in DIRECTORY/ended.
"""

import os
import sys
from pathlib import Path

from cli.service.lock import DataLock
from cli.service.signals import Signals
from cli.service.supervisor import ChildSpec, Supervisor

#: In Python, so that it behaves alike everywhere; the grandchild is what a pool's process would be.
CHILD = """
import os, signal, sys, subprocess
from pathlib import Path
directory, name, stubborn = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "stubborn"
grandchild = subprocess.Popen(
    [sys.executable, "-c", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"]
)
def end(*_):
    if not stubborn:
        with (directory / "ended").open("a") as file:
            file.write(name + "\\n")
        os._exit(0)
signal.signal(signal.SIGTERM, end)
pids = directory / (name + ".pids")
(directory / (name + ".new")).write_text(f"{os.getpid()} {grandchild.pid}")
(directory / (name + ".new")).rename(pids)
print(name, "runs", flush=True)
while True:
    signal.pause()
"""


def spec(directory: Path, name: str, *, rank: int, stubborn: bool = False, grace_s: float = 30) -> ChildSpec:
    """Describe a child that runs until SIGTERM, or ignores it."""
    return ChildSpec(
        name=name,
        command=[sys.executable, "-c", CHILD, str(directory), name, "stubborn" if stubborn else "kind"],
        cwd=directory,
        environment=os.environ,
        log=directory / f"{name}.log",
        rank=rank,
        grace_s=grace_s,
    )


def pids(directory: Path, name: str) -> list[int]:
    """Read the process ids of a child and its grandchild; none before it has written them."""
    file = directory / f"{name}.pids"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def main() -> None:
    """Keep three children until a signal asks for the end."""
    directory = Path(sys.argv[1])
    lock = DataLock(directory)
    with Signals() as signals:
        supervisor = Supervisor(log=directory / "up.log", report=print, inherited_fds=[lock.fileno()])
        for rank, name in ((3, "valkey"), (2, "web"), (1, "worker")):
            supervisor.start(spec(directory, name, rank=rank))
        while not signals.shutdown_requests:
            supervisor.check()
            signals.wait(1)
        supervisor.shut_down(signals.forced)
    lock.close()


if __name__ == "__main__":
    main()
