"""The process that shuts the service down when `charloom up` itself is killed; see docs/adr/0002.

    python -m cli.service.guardian

Its standard input says which children have started ("+ pid rank grace_s killable", written by each child before it
becomes its program) and which have ended ("- pid"). The pipe closes when `up` ends, for whatever reason. The guardian
then shuts down the children that are left, in the order and with the grace periods that `up` would have used. Until
then it also holds the lock on the data. It imports only the standard library, to start fast and stay small.
"""

import signal
import sys
from collections.abc import Iterable

from cli.service.shutdown import ProcessGroup, shut_down


def registration(rank: int, grace_s: float, *, killable: bool) -> str:
    """Return what a child writes to the guardian, but for its process id: `+ $$ <this>`."""
    return f"{rank} {grace_s} {int(killable)}"


def read_remaining(lines: Iterable[str]) -> list[ProcessGroup]:
    """Read all lines and return the groups that have started but not ended."""
    groups: dict[int, ProcessGroup] = {}
    for line in lines:
        match line.split():
            case ["+", pid, rank, grace_s, killable]:
                groups[int(pid)] = ProcessGroup(
                    pid=int(pid), rank=int(rank), grace_s=float(grace_s), killable=killable != "0"
                )
            case ["-", pid]:
                groups.pop(int(pid), None)
    return list(groups.values())


def main() -> None:
    """Wait for `up` to end, then shut down what it left running."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the end of the pipe ends it
    groups = read_remaining(sys.stdin)
    if groups:
        print("charloom up ended without stopping its processes; stopping them now", file=sys.stderr, flush=True)
        shut_down(groups)
        print("all stopped", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
