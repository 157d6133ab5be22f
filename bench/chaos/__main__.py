"""Mixed random faults against a stream of jobs.

    python -m bench.chaos [--seconds 600] [--seed 1]

Prints a table and one JSON line, and ends with code 1 where a promise was broken; what it found then is in its folder.
"""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.chaos.injector import Injector
from bench.chaos.traffic import Traffic
from bench.chaos.verdict import Verdict, figures, judge
from bench.common import report
from tests.faults.jobs import Client
from tests.faults.judge import weights_of
from tests.faults.site import Site, make_site

HOSTS = (1, 2, 3)
SEEDS = (1, 2, 3)
#: Mean seconds between two faults.
EVERY_S = 2.5
#: Seconds that the jobs get to end once there are no more faults.
CALM_S = 300
SAMPLE = Path(__file__).parents[2] / "shared" / "sample.txt"


def main() -> None:
    """Hurt, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="charloom-chaos-"))
    # Losses are what is tried here: no number of them may end a job.
    with make_site(folder, max_attempts="100", volume_wait_s="60") as site:
        injector, verdict = run(site, given.seconds, given.seed)
        found = figures(verdict, injector.injected, seconds=given.seconds, seed=given.seed)
    print_table(found)
    for problem in (*verdict.lost, *verdict.doubled, *verdict.wrong, *verdict.differ):
        print("broken:", problem)
    report(**found)
    if not verdict.good:
        sys.exit(f"A promise was broken. Logs and step logs: {folder}")


def run(site: Site, seconds: float, seed: int) -> tuple[Injector, Verdict]:
    """Start all, make the references, inject faults for some seconds, wait until all has ended, and judge."""
    site.start(HOSTS)
    client = Client(site)
    client.add_corpus(SAMPLE)
    made = {one: client.ended(client.train(seed=one)) for one in SEEDS}
    weights = {one: weights_of(site, job["id"]) for one, job in made.items()}
    model_id = made[SEEDS[0]]["result"]["model_id"]
    written = {one: client.ended(client.write(model_id, seed=one)) for one in SEEDS}
    texts = {one: job["result"]["outputs"][0]["text"] for one, job in written.items()}
    print(f"{len(SEEDS)} undisturbed trainings and texts are made; the faults begin", flush=True)

    injector, traffic = Injector(site, HOSTS, seed), Traffic(client, model_id, SEEDS, seed)
    rhythm = random.Random(seed)
    traffic.start()
    try:
        end, hurt_at = time.monotonic() + seconds, time.monotonic() + 5
        while time.monotonic() < end:
            time.sleep(0.05)
            injector.tend()
            if time.monotonic() >= hurt_at:
                injector.strike()
                hurt_at = time.monotonic() + rhythm.expovariate(1 / EVERY_S)
    finally:
        traffic.end()
        injector.heal()  # before it is waited for: it may be waiting for what a fault stopped
        traffic.join()
    print(f"{len(injector.injected)} faults, {len(traffic.sent)} jobs; all is well again, the jobs end", flush=True)
    calm = time.monotonic() + CALM_S
    for one in traffic.sent:
        client.wait(one.job_id, within_s=max(0.0, calm - time.monotonic()))
    for error in traffic.errors:
        print("not taken:", error)
    verdict = judge(
        site,
        traffic.sent,
        cancelled=traffic.cancelled,
        injected=injector.injected,
        weights=weights,
        texts=texts,
    )
    client.close()
    return injector, verdict


def print_table(found: dict[str, Any]) -> None:
    """Print the figures for people."""
    for name, value in found.items():
        if isinstance(value, dict):
            print(f"{name.replace('_', ' ')}:")
            for part, figure in value.items():
                print(f"  {part:<26}{figure:>10}")
        else:
            print(f"{name.replace('_', ' '):<28}{value!s:>10}")


if __name__ == "__main__":
    main()
