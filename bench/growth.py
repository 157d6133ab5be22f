"""What a job costs by how many there are: a whole life in the store, a look, a page of the list, a round of the reaper.

    python -m bench.growth

Records of ended jobs are put into a Valkey, 10 to 100,000; with each number the same is done TIMES times, and the
median is held against that of the fewest. Flat is 1.
"""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.common import report
from cli import valkey as embedded
from shared.jobs import JobType, Status
from shared.store import JobStore, Store, connect
from tests.jobs import make_job
from tests.waiting import eventually

NUMBERS = (10, 1_000, 10_000, 100_000)
TIMES = 300
LEASE_S = 10.0


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="charloom-bench-") as name:
        folder = Path(name)
        path = embedded.socket_path(folder)
        server = subprocess.Popen(embedded.command(folder, path), stdout=subprocess.DEVNULL)
        try:
            eventually(lambda: embedded.answers(path), "Valkey answers")
            found = measure(Store(connect(embedded.url(path))).jobs)
        finally:
            server.terminate()
            server.wait()
    first = found[NUMBERS[0]]
    report(
        bench="growth",
        ms={str(number): {what: round(ms, 3) for what, ms in costs.items()} for number, costs in found.items()},
        ratio={what: round(found[NUMBERS[-1]][what] / ms, 2) for what, ms in first.items()},
    )


def measure(jobs: JobStore) -> dict[int, dict[str, float]]:
    """Return the median milliseconds of each act, by the number of records."""
    found, there = {}, 0
    for number in NUMBERS:
        while there < number:
            live(jobs)
            there += 1
        some = make_job(JobType.GENERATE)
        jobs.create(some)
        found[number] = {
            "a job's life": median_ms(lambda: live(jobs)),
            "a look": median_ms(lambda: jobs.get(some.id)),  # noqa: B023
            "a page": median_ms(lambda: jobs.page(limit=20)),
            "reap": median_ms(lambda: jobs.reap(lease_s=LEASE_S)),
            "due": median_ms(lambda: jobs.due(stayed_empty=lambda _: False)),
            "purge": median_ms(lambda: jobs.purge(age_s=1e6)),
        }
        there += TIMES
        jobs.cancel(some.id)
    return found


def live(jobs: JobStore) -> None:
    """Put in a job, take it, end it."""
    job = make_job(JobType.GENERATE)
    jobs.create(job)
    claim = jobs.claim(job.id, worker="bench", lease_s=LEASE_S)
    assert claim is not None
    jobs.finish(job.id, claim.token, Status.SUCCEEDED, result={"text": "x" * 100})


def median_ms(act: Callable[[], object]) -> float:
    """Return the median of many times, ms."""
    times = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        act()
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
