"""Failovers of Redis in the middle of trainings: what was acknowledged, and what is left of it.

    python -m bench.chaos.failover [--rounds 6] [--seed 1] [--binary PATH]

A primary, two replicas and three Sentinels on loopback, a web server and two workers. Every other time the replicas are
cut off for a moment before the primary is killed, while jobs are sent and cancelled over HTTP: nothing of that is on
the server that is promoted. Prints one JSON line, and ends with code 1 where a promise was broken.
"""

import argparse
import itertools
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.chaos.traffic import Sent
from bench.chaos.verdict import Verdict, judge, spread
from bench.common import report
from tests.faults.jobs import Client
from tests.faults.judge import weights_of
from tests.faults.network import Loopback
from tests.faults.site import Site, make_site
from tests.redis_group import DOWN_AFTER_MS, RedisGroup, redis_group
from tests.waiting import eventually

HOSTS = (1, 2)
SEEDS = (1, 2)
SAMPLE = Path(__file__).parents[2] / "shared" / "sample.txt"
#: Some seconds on one thread.
EPOCHS = 12
#: Trainings that are kept live.
TRAININGS = 3
#: Seconds between two failovers, and for which the replicas are cut off before every other one.
EVERY_S, CUT_S = 6.0, 1.0
#: Seconds that the jobs get to end.
CALM_S = 300


@dataclass(kw_only=True)
class Trial:
    """What is done to a site, and what was seen."""

    site: Site
    group: RedisGroup
    client: Client
    model_id: str
    chance: random.Random
    sent: list[Sent] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    #: Of all: jobs that the API took while the replicas were cut off, and cancels.
    taken_cut_off: int = 0
    cancels_cut_off: int = 0
    #: Bytes of the stream of writes that the promoted server didn't have.
    lost_bytes: list[float] = field(default_factory=list)
    #: Seconds from the kill until the API took a job again.
    away_s: list[float] = field(default_factory=list)

    def send(self, kind: str) -> str:
        """Send a job and return its id."""
        seed = self.chance.choice(SEEDS)
        if kind == "train":
            job_id = self.client.train(seed=seed, epochs=EPOCHS)
        else:
            job_id = self.client.write(self.model_id, seed=seed)
        self.sent.append(Sent(job_id=job_id, kind=kind, seed=seed))
        return job_id

    def cancel(self, job_id: str) -> bool:
        """Cancel a job; return True if that was acknowledged."""
        answer = self.client.ask("POST", f"/jobs/{job_id}/cancel")
        if answer is None or not answer.is_success:
            return False
        self.cancelled.add(job_id)
        return True

    def fail_over(self, *, cut_off: bool) -> None:
        """Have the primary replaced."""
        killed = self.group.primary()
        if cut_off:
            waiting = self.send("train")
            self.group.wait_for_replicas()
            self.group.stop_replication()
            until = time.monotonic() + CUT_S
            self.cancels_cut_off += self.cancel(waiting)
            for kind in itertools.cycle(("generate", "generate", "train")):
                self.send(kind)
                self.taken_cut_off += 1
                time.sleep(0.1)
                if time.monotonic() > until:
                    break
        had, began = self.group.offset(killed), time.monotonic()
        promoted = self.group.fail_over()
        self.lost_bytes.append(max(0, had - self.group.taken_over_at(promoted)))
        self.send("generate")
        self.away_s.append(time.monotonic() - began)
        self.group.restart(killed)


def run(trial: Trial, rounds: int) -> None:
    """Keep trainings live, and have the primary replaced again and again."""
    for number in range(rounds):
        until = time.monotonic() + EVERY_S
        while time.monotonic() < until:
            live = [one for one in trial.sent if one.kind == "train" and not _has_ended(trial.client, one.job_id)]
            if len(live) < TRAININGS:
                trial.send("train")
            time.sleep(0.3)
        eventually(trial.group.is_whole, "both replicas follow")
        trial.fail_over(cut_off=number % 2 == 0)
        print(f"failover {number + 1} of {rounds}: {trial.away_s[-1]:.1f} s, {len(trial.sent)} jobs", flush=True)
    calm = time.monotonic() + CALM_S
    for one in trial.sent:
        trial.client.wait(one.job_id, within_s=max(0.0, calm - time.monotonic()))


@contextmanager
def _stage(folder: Path, binary: str | None, seed: int) -> Iterator[tuple[Trial, dict[int, str], dict[int, str]]]:
    """Start everything, and make what the disturbed jobs must equal."""
    with (
        redis_group(folder / "redis", "--appendonly", "no", replicas=2, binary=binary) as group,
        make_site(folder, Loopback(), redis_url=group.url, max_attempts="100") as site,
    ):
        site.redis_url = group.url
        site.start_web()
        for number in HOSTS:
            site.start_host(number)
        for number in HOSTS:
            site.wait_for_host(number)
        client = Client(site)
        client.add_corpus(SAMPLE)
        made = {one: client.ended(client.train(seed=one, epochs=EPOCHS)) for one in SEEDS}
        model_id = made[SEEDS[0]]["result"]["model_id"]
        written = {one: client.ended(client.write(model_id, seed=one)) for one in SEEDS}
        trial = Trial(site=site, group=group, client=client, model_id=model_id, chance=random.Random(seed))
        yield (
            trial,
            {one: weights_of(site, job["id"]) for one, job in made.items()},
            {one: job["result"]["outputs"][0]["text"] for one, job in written.items()},
        )
        client.close()


def figures(trial: Trial, verdict: Verdict) -> dict[str, Any]:
    """Return what was found as plain values."""
    dead = [host.name for host in trial.site.hosts.values() if not host.lives]
    logs = "\n".join(host.log.read_text() for host in trial.site.hosts.values())
    healed: Counter[str] = Counter()
    for line in re.findall(r"Redis had lost writes: (.*)", logs):
        for count, what in re.findall(r"(\d+) jobs (\w+)", line):
            healed[what] += int(count)
    with trial.site.store() as store:
        version = store.server().version
    return {
        "bench": "failover",
        "server": version,
        "down_after_ms": DOWN_AFTER_MS,
        "failovers": len(trial.away_s),
        "away_s": spread(trial.away_s),
        "lost_bytes": spread(trial.lost_bytes),
        "jobs": sum(verdict.jobs.values()),
        "jobs_by_end": dict(sorted(verdict.jobs.items())),
        "taken_while_cut_off": trial.taken_cut_off,
        "cancels_while_cut_off": trial.cancels_cut_off,
        "records_mended": dict(healed),
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "ended_wrong": len(verdict.wrong),
        "differ": len(verdict.differ),
        "overlapping_steps": verdict.overlapping_steps,
        "steps": verdict.steps,
        "attempts": verdict.attempts,
        "work_lost_s": spread(verdict.work_lost_s),
        "dead_workers": dead,
        "good": verdict.good and not dead,
    }


def _has_ended(client: Client, job_id: str) -> bool:
    answer = client.ask("GET", f"/jobs/{job_id}")
    return answer is not None and answer.is_success and bool(answer.json()["finished_at"])


def main() -> None:
    """Fail over, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--binary", help="The server; the embedded Valkey where none is given.")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="charloom-failover-"))
    with _stage(folder, given.binary, given.seed) as (trial, weights, texts):
        run(trial, given.rounds)
        verdict = judge(trial.site, trial.sent, cancelled=trial.cancelled, injected=[], weights=weights, texts=texts)
        found = figures(trial, verdict)
    for problem in (*verdict.lost, *verdict.doubled, *verdict.wrong, *verdict.differ):
        print("broken:", problem)
    report(**found)
    if not found["good"]:
        sys.exit(f"A promise was broken. Logs and step logs: {folder}")


if __name__ == "__main__":
    main()
