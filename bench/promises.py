"""The contract's promises in time, on real workers: generating during a training, a cancel, a drain, a killed host.

    python -m bench.promises [TEXT]

What: each is done TIMES times with stream's defaults, a state saved every second; medians and the worst count, in
milliseconds. Work lost is what was computed again elsewhere, in milliseconds of the processor.
Bar: what is promised (docs/reliability.md), by the worst of them.
"""

import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.common import Row, report
from bench.service import cluster_of_argument, train, trained
from bench.sharing import write
from shared.jobs.record import Status
from tests.faults.judge import Steps
from tests.waiting import eventually
from tests.worker.cluster import Cluster

TIMES = 5
#: Milliseconds.
PROMISED = {
    "written_100_chars_beside_training": 2000,
    "cancelled": 1000,
    "drained_host_gone": 5000,
    "drained_next_step_elsewhere": 5000,
    "killed_host_noticed": 12_000,
    "killed_next_step_elsewhere": 15_000,
    "killed_work_lost": 1000,
}


def main() -> None:
    """Measure and print."""
    with cluster_of_argument() as (cluster, path):
        found = Bench(cluster, path).measure()
    figures = {
        what: {"median_ms": round(statistics.median(times)), "worst_ms": round(max(times))}
        for what, times in found.items()
    }
    rows = [
        Row(what=f"{what.replace('_', ' ')}, worst of {len(found[what])}", unit="ms", ours=max(found[what]), most=most)
        for what, most in PROMISED.items()
    ]
    report(bench="promises", rows=rows, text=path.name, **figures)


class Bench:
    """One cluster, and what is measured on it."""

    def __init__(self, cluster: Cluster, path: Path) -> None:
        self._cluster = cluster
        self._corpus = cluster.corpus(path)
        self._times: dict[str, list[float]] = {}

    def measure(self) -> dict[str, list[float]]:
        """Measure all, and return the times of each, milliseconds."""
        cluster = self._cluster
        with cluster.worker("first"):
            model = trained(cluster, self._corpus)
            for _ in range(TIMES):
                self._write_and_cancel(self._train(), model)
        for number in range(TIMES):
            self._move(f"drained{number}", "drained", lambda process: process.send_signal(signal.SIGTERM))
            self._move(f"killed{number}", "killed", lambda process: os.killpg(process.pid, signal.SIGKILL))
        return self._times

    def _write_and_cancel(self, job_id: str, model: str) -> None:
        """Generate during a training, then cancel that."""
        jobs = self._cluster.store.jobs
        times = self._times.setdefault("written_100_chars_beside_training", [])
        times.extend(write(self._cluster, model) for _ in range(TIMES))
        self._time("cancelled", lambda: jobs.cancel(job_id), lambda: jobs.get(job_id).ended)

    def _move(self, name: str, how: str, stop: Callable[["subprocess.Popen[bytes]"], None]) -> None:
        """Stop the training host while another one waits: time until it is gone, and to the next step elsewhere."""
        cluster = self._cluster
        with cluster.worker(name) as process:
            job_id = self._train()
            with cluster.worker(f"{name}-next"):
                begun = time.monotonic()
                self._time(f"{how}_host_gone", lambda: stop(process), lambda: process.poll() is not None)
                noticed = eventually(lambda: self._noticed(job_id, name), "it is noticed")
                self._times.setdefault(f"{how}_host_noticed", []).append((noticed - begun) * 1000)
                eventually(lambda: self._steps_of(job_id, f"{name}-next@test"), "the other host makes a step")
                self._times.setdefault(f"{how}_next_step_elsewhere", []).append((time.monotonic() - begun) * 1000)
                cluster.store.jobs.cancel(job_id)
                cluster.ended(job_id)
                lost = Steps.read(cluster.logs / "steps").lost(job_id)
                self._times.setdefault(f"{how}_work_lost", []).append(lost[0] * 1000)

    def _noticed(self, job_id: str, name: str) -> float:
        """Return when it was seen that this worker no longer runs the job, or 0: not yet."""
        job = self._cluster.store.jobs.get(job_id)
        return 0.0 if job.status is Status.RUNNING and job.worker == f"{name}@test" else time.monotonic()

    def _train(self) -> str:
        job_id = train(self._cluster, self._corpus, epochs=10_000, patience=0, checkpoint_seconds=1)
        self._cluster.running(job_id, step=40)
        return job_id

    def _time(self, what: str, act: Callable[[], object], done: Callable[[], bool]) -> None:
        begun = time.monotonic()
        act()
        eventually(done, what)
        self._times.setdefault(what, []).append((time.monotonic() - begun) * 1000)

    def _steps_of(self, job_id: str, worker: str) -> bool:
        """Whether this worker runs the job and has reported a step."""
        job = self._cluster.store.jobs.get(job_id)
        events = self._cluster.store.events.newest(job_id, limit=1)
        return job.status is Status.RUNNING and job.worker == worker and bool(events) and events[0].type == "progress"


if __name__ == "__main__":
    main()
