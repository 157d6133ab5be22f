"""Injects random faults into a site, by a seed: which, where, when, and for how long. A supervisor's part is here too.

What died is started again after a moment, as systemd or a container engine would; what was stopped, cut or filled is
repaired when its time is over. Several faults may lie on one another, on several hosts and on Redis at once.
"""

import heapq
import itertools
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from shared.jobs.record import Queue, Status
from tests.faults.site import Process, Site
from worker.jobs.lease import boottime

#: Seconds that a stopped or cut host stays so, and a Redis or a disk: some shorter than a lease of 10 s, some longer.
HOST_S, REDIS_S, DISK_S = (2.0, 25.0), (0.5, 6.0), (1.0, 5.0)
#: Seconds until what died is started again.
RESTART_S = (0.2, 2.0)


@dataclass(frozen=True, kw_only=True)
class Injected:
    """One fault."""

    kind: str
    #: The worker that it hit; "" where it hit none alone.
    worker: str
    #: CLOCK_BOOTTIME, seconds, and the wall's, ms.
    at: float
    wall_ms: float


class Injector:
    """Injects the faults."""

    def __init__(self, site: Site, hosts: tuple[int, ...], seed: int) -> None:
        self._site, self._hosts, self._random = site, hosts, random.Random(seed)
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        #: Hosts that are stopped, cut or being ended.
        self._troubled: set[int] = set()
        self._restarting: set[str] = set()
        self._redis_stopped = self._disk_struck = False
        self.injected: list[Injected] = []
        self._kinds: dict[str, tuple[float, Callable[[], int | None]]] = {
            "kill a child": (3, self._kill_child),
            "kill a parent": (2, self._kill_parent),
            "kill a host": (2, self._kill_host),
            "drain a worker": (3, self._drain),
            "stop a child": (2, self._stop_child),
            "stop a host": (2, self._stop_host),
            "cut a host off": (3 if site.network.can_cut else 0, self._cut),
            "kill Redis": (1, self._kill_redis),
            "stop Redis": (1, self._stop_redis),
            "empty Redis": (0.3, self._empty_redis),
            "end the web server": (1, self._end_web),
            "kill the web server": (1, self._kill_web),
            "fill the disk": (1 if site.disk.is_own else 0, self._fill_disk),
            "damage a state and kill": (2, self._damage_state),
            "send a message twice": (2, self._send_twice),
        }

    def strike(self) -> None:
        """Put in one fault that is possible now."""
        kinds = list(self._kinds)
        for kind in self._random.choices(kinds, weights=[self._kinds[kind][0] for kind in kinds], k=20):
            at, wall_ms = boottime(), time.time() * 1000
            number = self._kinds[kind][1]()
            if number is not None:
                worker = f"host{number}@site" if number else ""
                self.injected.append(Injected(kind=kind, worker=worker, at=at, wall_ms=wall_ms))
                return

    def tend(self) -> None:
        """Repair what is due, start again what died."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()
        for number in self._hosts:
            self._restart(self._site.hosts[number], lambda number=number: self._start_host(number))  # type: ignore[misc]
        self._restart(self._site.valkey, self._site.start_redis)
        self._restart(self._site.web, lambda: self._site.start_web(wait=False))

    def heal(self) -> None:
        """Undo all faults."""
        while self._later or not all(self._site.hosts[number].lives for number in self._hosts):
            for _, _, repair in sorted(self._later):
                repair()
            self._later.clear()
            time.sleep(0.05)
            self.tend()

    # -- hosts ------------------------------------------------------------------------------------------------------

    def _kill_child(self) -> int | None:
        number = self._well_host()
        return number and self._signal_child(number, signal.SIGKILL)

    def _kill_parent(self) -> int | None:
        number = self._well_host()
        if number:
            self._site.hosts[number].signal(signal.SIGKILL)
        return number

    def _kill_host(self) -> int | None:
        number = self._well_host()
        if number:
            self._site.hosts[number].kill()
        return number

    def _drain(self) -> int | None:
        number = self._well_host()
        if number:
            self._troubled.add(number)
            self._site.hosts[number].signal(signal.SIGTERM)
        return number

    def _stop_child(self) -> int | None:
        number = self._well_host()
        if not number:
            return None
        children = self._site.hosts[number].children()
        self._trouble(number, lambda: _signal_all(children, signal.SIGCONT))
        _signal_all(children, signal.SIGSTOP)
        return number

    def _stop_host(self) -> int | None:
        number = self._well_host()
        if not number:
            return None
        host = self._site.hosts[number]
        self._trouble(number, lambda: host.signal(signal.SIGCONT, group=True))
        host.signal(signal.SIGSTOP, group=True)
        return number

    def _cut(self) -> int | None:
        number = self._well_host()
        if not number:
            return None
        self._trouble(number, lambda: self._site.network.repair(number))
        self._site.network.cut(number)
        return number

    def _damage_state(self) -> int | None:
        number = self._well_host()
        if not number:
            return None
        volume = self._site.volume
        jobs = [job_id for job_id in volume.jobs.list_ids() if volume.jobs.ended(job_id) is None]
        states = [state.path for job_id in jobs for state in volume.jobs.states(job_id)[:1]]
        if not states:
            return None
        path = self._random.choice(states)
        try:
            with path.open("rb+") as file:
                if self._random.random() < 0.5:
                    file.truncate(self._random.randrange(path.stat().st_size))
                else:
                    place = self._random.randrange(path.stat().st_size)
                    file.seek(place)
                    bits = file.read(1)[0]
                    file.seek(place)
                    file.write(bytes([bits ^ 1 << self._random.randrange(8)]))
        except OSError:
            return None  # a newer one has taken its place
        return self._signal_child(number, signal.SIGKILL)

    # -- Redis, web, disk, messages ---------------------------------------------------------------------------------

    def _kill_redis(self) -> int | None:
        if not self._redis_well():
            return None
        self._site.valkey.kill()
        return 0

    def _stop_redis(self) -> int | None:
        if not self._redis_well():
            return None
        self._redis_stopped = True
        process = self._site.valkey

        def go_on() -> None:
            self._redis_stopped = False
            process.signal(signal.SIGCONT)

        process.signal(signal.SIGSTOP)
        self._after(self._random.uniform(*REDIS_S), go_on)
        return 0

    def _empty_redis(self) -> int | None:
        if not self._redis_well():
            return None
        with self._site.client() as client:
            client.flushall()
        return 0

    def _end_web(self) -> int | None:
        if not self._site.web.lives:
            return None
        self._site.web.signal(signal.SIGTERM)
        return 0

    def _kill_web(self) -> int | None:
        if not self._site.web.lives:
            return None
        self._site.web.kill()
        return 0

    def _fill_disk(self) -> int | None:
        if self._disk_struck:
            return None
        self._disk_struck = True

        def free() -> None:
            self._disk_struck = False
            self._site.disk.free()

        self._site.disk.fill()
        self._after(self._random.uniform(*DISK_S), free)
        return 0

    def _send_twice(self) -> int | None:
        if not self._redis_well():
            return None
        with self._site.store() as store:
            page = store.jobs.page(statuses=(Status.RUNNING, Status.QUEUED), limit=1)
        for job in page.jobs:
            for _ in range(2):
                self._site.broker.send(job.id, Queue.TRAIN if job.type == "train" else Queue.GENERATE)
        return 0 if page.jobs else None

    # -- how it is done ---------------------------------------------------------------------------------------------

    def _well_host(self) -> int | None:
        well = [number for number in self._hosts if number not in self._troubled and self._site.hosts[number].lives]
        return self._random.choice(well) if well else None

    def _redis_well(self) -> bool:
        return self._site.valkey.lives and not self._redis_stopped

    def _signal_child(self, number: int, how: int) -> int | None:
        children = self._site.hosts[number].children()
        _signal_all(children, how)
        return number if children else None

    def _trouble(self, number: int, repair: Callable[[], None]) -> None:
        """Have it repaired later; a host is in one trouble at a time."""
        self._troubled.add(number)

        def well_again() -> None:
            self._troubled.discard(number)
            repair()

        self._after(self._random.uniform(*HOST_S), well_again)

    def _start_host(self, number: int) -> None:
        self._troubled.discard(number)
        self._site.start_host(number)

    def _restart(self, process: Process, start: Callable[[], object]) -> None:
        if process.lives or process.name in self._restarting:
            return
        self._restarting.add(process.name)

        def again() -> None:
            self._restarting.discard(process.name)
            start()

        self._after(self._random.uniform(*RESTART_S), again)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._count), act))


def _signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
