"""What a job costs by how many there are: a whole life in the store, a read, a page of the list, a round of the reaper.

What: milliseconds of each act in a Valkey that holds the records of ended jobs, up to `--most` of them.
Peer: the same act in a Valkey that holds ten, in turns, act by act, TIMES of each.
Bar: flat within 10 % at the most.

    python -m bench.growth [--most 100000]
"""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.common import Turns, in_turns, report
from bench.service import valkey
from shared.jobs.record import JobType, Status
from shared.store import JobStore, Store, connect
from tests.jobs import make_job

FEW, NUMBERS = 10, (1_000, 10_000, 100_000)
TIMES = 300
LEASE_S = 10.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=NUMBERS[-1])
    numbers = [number for number in NUMBERS if number <= parser.parse_args().most]
    found: dict[int, dict[str, Turns]] = {}
    with ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="charloom-bench-"))) for _ in range(2)]
        few, many = (connect(stack.enter_context(valkey(folder))) for folder in folders)
        there = 0
        for number in numbers:
            few.flushdb()
            for _ in range(FEW):
                live(Store(few).jobs)
            for _ in range(there, number):
                live(Store(many).jobs)
            found[number] = measure(Store(few).jobs, Store(many).jobs)
            there = number + 2 * TIMES
    last = numbers[-1]
    rows = [
        turns.row(f"{what}, {last:,} records", peer="few", ours="many", unit="ms", a_second=1e3, least_ratio=1 / 1.1)
        for what, turns in found[last].items()
    ]
    ratios = {
        number: {what: round(turns.ratio("many", "few"), 3) for what, turns in acts.items()}
        for number, acts in found.items()
    }
    report(bench="growth", rows=rows, costs_of_ten_records=ratios)


def measure(few: JobStore, many: JobStore) -> dict[str, Turns]:
    """Return the turns of each act."""
    by_store = {name: acts(store) for name, store in (("few", few), ("many", many))}
    return {what: in_turns({name: by_store[name][what] for name in by_store}, rounds=TIMES) for what in by_store["few"]}


def acts(jobs: JobStore) -> dict[str, Callable[[], None]]:
    """Return what is done, with one job that waits in the store."""
    some = make_job(JobType.GENERATE)
    jobs.create(some)
    calls: dict[str, Callable[[], object]] = {
        "a job's life": partial(live, jobs),
        "a read": partial(jobs.get, some.id),
        "a page": partial(jobs.page, limit=20),
        "reap": partial(jobs.reap, lease_s=LEASE_S),
        "due": partial(jobs.due, stayed_empty=lambda _: False),
        "purge": partial(jobs.purge, age_s=1e6),
    }
    return {what: partial(_quietly, call) for what, call in calls.items()}


def _quietly(call: Callable[[], object]) -> None:
    call()


def live(jobs: JobStore) -> None:
    """Put in a job, take it, end it."""
    job = make_job(JobType.GENERATE)
    jobs.create(job)
    claim = jobs.claim(job.id, worker="bench", lease_s=LEASE_S)
    assert claim is not None
    jobs.finish(job.id, claim.token, Status.SUCCEEDED, result={"text": "x" * 100})


if __name__ == "__main__":
    main()
