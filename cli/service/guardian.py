"""The process that ends a service's children when `charloom up` itself is killed; see docs/adr/0002.

    python -m cli.service.guardian

It reads from its standard input who was started ("+ pid rank grace cut", written by each child before it becomes what
it is) and who is gone ("- pid"). The pipe closes when `up` has ended, however that came about; whoever is then left is
ended in the same order, with the same patience, as `up` would have. It also holds the lock on the data until that is
done. Nothing but the standard library, so that it starts at once and weighs little.
"""

import signal
import sys
from collections.abc import Iterable

from cli.service.shutdown import ProcessGroup, shut_down


def registration(rank: int, grace_s: float, *, can_be_killed: bool) -> str:
    """Give the line with which a shell announces itself, all but its process id: `+ $$ <this>`."""
    return f"{rank} {grace_s} {int(can_be_killed)}"


def read_remaining(lines: Iterable[str]) -> list[ProcessGroup]:
    """Read what was started and what is gone until the lines end; return who is left."""
    groups: dict[int, ProcessGroup] = {}
    for line in lines:
        match line.split():
            case ["+", pid, rank, grace_s, cut]:
                groups[int(pid)] = ProcessGroup(
                    pid=int(pid), rank=int(rank), grace_s=float(grace_s), can_be_killed=cut != "0"
                )
            case ["-", pid]:
                groups.pop(int(pid), None)
    return list(groups.values())


def main() -> None:
    """Wait for `up` to end, then end who is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the pipe and not before
    groups = read_remaining(sys.stdin)
    if groups:
        print("charloom up is gone without ending its processes; ending them now", file=sys.stderr, flush=True)
        shut_down(groups)
        print("all ended", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
