"""What became of it all: every job against what it must give, every fault against how soon it was noticed."""

import itertools
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bench.chaos.injector import Injected
from bench.chaos.traffic import Sent
from tests.faults.judge import Steps, events_of, weights_of
from tests.faults.site import Site

#: A worker is taken to have run a job that it made a step of so shortly before a fault, seconds.
JUST_NOW_S = 1.5
#: How long a fault of Redis is still felt, ms: its being away, a lease's time, and a reaper's second.
PATIENCE_MS = 17_000


@dataclass(kw_only=True)
class Verdict:
    """The figures."""

    jobs: Counter[str] = field(default_factory=Counter)
    #: Jobs that were taken, and are not there or don't end.
    lost: list[str] = field(default_factory=list)
    #: Jobs that ended twice.
    doubled: list[str] = field(default_factory=list)
    #: Jobs that ended otherwise than they should.
    wrong: list[str] = field(default_factory=list)
    #: Trainings and texts that differ from the undisturbed ones.
    differ: list[str] = field(default_factory=list)
    #: Batches that ended while a later attempt computed, but for the one of a process that was stopped before it: none.
    overlapping_steps: int = 0
    steps_in_hand: int = 0
    steps: int = 0
    attempts: int = 0
    stale_writes_refused: int = 0
    #: Seconds from a fault to the job's being queued again, and to its next step elsewhere; Redis well all the while.
    detected_s: list[float] = field(default_factory=list)
    next_step_s: list[float] = field(default_factory=list)
    #: Seconds of computing done again by each further attempt.
    work_lost_s: list[float] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.doubled or self.wrong or self.differ or self.overlapping_steps)


def judge(
    site: Site,
    sent: Sequence[Sent],
    *,
    cancelled: Collection[str],
    injected: Sequence[Injected],
    weights: Mapping[int, str],
    texts: Mapping[int, str],
) -> Verdict:
    """Judge all jobs once they have ended."""
    verdict = Verdict()
    steps = Steps.read(site.steps)
    verdict.stale_writes_refused = steps.refused
    lost = _lost_ms(site)
    with site.api() as api:
        for one in sent:
            answer = api.get(f"/jobs/{one.job_id}")
            job: dict[str, Any] = answer.json()
            if not answer.is_success or not job["finished_at"]:
                verdict.lost.append(one.job_id)
                continue
            verdict.jobs[f"{one.kind} {job['status']}"] += 1
            if job["status"] != ("cancelled" if one.job_id in cancelled else "succeeded"):
                verdict.wrong.append(f"{one.job_id} {job['status']}: {job['error']}")
            events = events_of(api, one.job_id)
            if sum(event["type"] == "done" for event in events) > 1:
                verdict.doubled.append(one.job_id)
            right = weights if one.kind == "train" else texts
            if job["status"] == "succeeded" and _made(site, one, job) != right[one.seed]:
                verdict.differ.append(one.job_id)
            if one.kind == "train":
                in_hand, begun = steps.overlaps(one.job_id)
                verdict.steps_in_hand += in_hand
                verdict.overlapping_steps += begun
                verdict.steps += len(steps.moves.get(one.job_id, ()))
                verdict.attempts += len(steps.tokens(one.job_id))
                verdict.work_lost_s += steps.lost(one.job_id)
                _time(verdict, one.job_id, lost.get(one.job_id, ()), steps, injected)
    return verdict


def _lost_ms(site: Site) -> Mapping[str, Sequence[float]]:
    """Read from the workers' logs when each job was found to be lost, ms: events don't outlive an emptied Redis."""
    found: dict[str, list[float]] = defaultdict(list)
    for host in site.hosts.values():
        for time, job_id in re.findall(r"(?m)^(\S+ \S+) .* (job_\w+) was lost by its worker", host.log.read_text()):
            moment = datetime.strptime(time, "%Y-%m-%d %H:%M:%S,%f").astimezone()
            found[job_id].append(moment.timestamp() * 1000)
    return found


def _made(site: Site, one: Sent, job: Mapping[str, Any]) -> str:
    """Return the weights or the text that a job has made."""
    return weights_of(site, one.job_id) if one.kind == "train" else str(job["result"]["outputs"][0]["text"])


def _time(verdict: Verdict, job_id: str, lost_ms: Sequence[float], steps: Steps, injected: Sequence[Injected]) -> None:
    """Take the times of one job's changes of hands that a fault of its host has caused."""
    # A reaper waits for a lease's time after Redis was restarted.
    redis_faults = [
        (fault.wall_ms, 0 if fault.kind == "empty Redis" else PATIENCE_MS)
        for fault in injected
        if "Redis" in fault.kind
    ]
    attempts = list(steps.tokens(job_id).values())
    for moves, following in itertools.pairwise(attempts):
        last, first = moves[-1], following[0]
        hits = [
            fault
            for fault in injected
            if fault.worker == last.worker and last.ended - JUST_NOW_S <= fault.at <= last.ended + JUST_NOW_S
        ]
        if not hits:
            continue
        fault = hits[-1]
        noticed = [ms for ms in sorted(lost_ms) if ms >= fault.wall_ms]
        end_ms = fault.wall_ms + (first.began - fault.at) * 1000
        if any(fault.wall_ms - before <= at <= end_ms for at, before in redis_faults):
            continue
        if noticed and noticed[0] <= end_ms:
            verdict.detected_s.append((noticed[0] - fault.wall_ms) / 1000)
        verdict.next_step_s.append(first.began - fault.at)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return count, median, 99th of a hundred, and the worst."""
    if not values:
        return {"count": 0}
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))]
    return {
        "count": len(ordered),
        "median": round(statistics.median(ordered), 2),
        "p99": round(p99, 2),
        "worst": round(ordered[-1], 2),
    }


def figures(verdict: Verdict, injected: Sequence[Injected], *, seconds: float, seed: int) -> dict[str, Any]:
    """Return the verdict as plain values."""
    return {
        "bench": "chaos",
        "date": f"{datetime.now().astimezone():%Y-%m-%d}",
        "seconds": round(seconds),
        "seed": seed,
        "faults": len(injected),
        "faults_by_kind": dict(sorted(Counter(fault.kind for fault in injected).items())),
        "jobs": sum(verdict.jobs.values()),
        "jobs_by_end": dict(sorted(verdict.jobs.items())),
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "ended_wrong": len(verdict.wrong),
        "differ": len(verdict.differ),
        "steps": verdict.steps,
        "attempts": verdict.attempts,
        "overlapping_steps": verdict.overlapping_steps,
        "steps_in_hand": verdict.steps_in_hand,
        "stale_writes_refused": verdict.stale_writes_refused,
        "detected_s": spread(verdict.detected_s),
        "next_step_s": spread(verdict.next_step_s),
        "work_lost_s": spread(verdict.work_lost_s),
        "good": verdict.good,
    }
