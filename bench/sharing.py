"""How training and writing share a host's cores: what each costs the other, by the threads that a training takes.

    python -m bench.sharing [TEXT]

What: for all cores but one, and for all, in turn and twice: a real worker trains 384 units with 32 batch rows; its
steps a second are counted while generate jobs of 100 characters are sent one after another; the time of each, from
sending to its end, is taken.
Peer: the same training alone, the same jobs on the idle worker.
Bar: none; the figures decide how many threads a training takes by default.
"""

import statistics
import time
from dataclasses import replace

from bench.common import Row, report
from bench.service import cluster_of_argument, train, trained
from shared.host import cores
from shared.jobs.record import JobType
from shared.store.events import Alarm
from shared.volume import Corpus
from tests.worker.cluster import Cluster

#: Seconds of each measurement, and turns of each number of threads.
MEASURE_S, TURNS = 8.0, 2


def main() -> None:
    """Measure and print."""
    rows: dict[int, list[dict[str, float]]] = {max(1, cores() - 1): [], cores(): []}
    with cluster_of_argument() as (cluster, path):
        corpus = cluster.corpus(path)
        for _ in range(TURNS):
            for threads, found in rows.items():
                found.append(measure(cluster, corpus, threads))
    medians = {
        f"threads_{threads}": {what: round(statistics.median(row[what] for row in found), 2) for what in found[0]}
        for threads, found in rows.items()
    }
    table = []
    for name, one in medians.items():
        alone, shared = one["steps_a_second_alone"], one["steps_a_second_while_writing"]
        idle, busy = one["writing_100_chars_idle_ms"], one["writing_100_chars_beside_training_ms"]
        table += [
            Row(what=f"steps while writing, {name}", unit="1/s", ours=shared, peer=alone, ratio=shared / alone),
            Row(what=f"writing while training, {name}", unit="ms", ours=busy, peer=idle, ratio=idle / busy),
        ]
    report(bench="sharing", rows=table, text=path.name, **medians)


def measure(cluster: Cluster, corpus: Corpus, threads: int) -> dict[str, float]:
    """Measure with so many threads: steps a second alone and while writing, and the times of writing, milliseconds."""
    environment = {**cluster.environment, "CHARLOOM_TRAIN_THREADS": str(threads)}
    with replace(cluster, environment=environment).worker(f"threads{threads}"):
        model = trained(cluster, corpus)
        idle = [write(cluster, model) for _ in range(20)]
        job_id = train(cluster, corpus, epochs=10_000, patience=0, hidden_size=384, batch_size=32)
        cluster.running(job_id)
        alone, _ = steps_a_second(cluster, job_id, model=None)
        shared, times = steps_a_second(cluster, job_id, model=model)
        cluster.store.jobs.cancel(job_id)
        cluster.ended(job_id)
    return {
        "steps_a_second_alone": alone,
        "steps_a_second_while_writing": shared,
        "writing_100_chars_idle_ms": statistics.median(idle),
        "writing_100_chars_beside_training_ms": statistics.median(times),
        "writing_100_chars_beside_training_worst_ms": max(times),
    }


def steps_a_second(cluster: Cluster, job_id: str, *, model: str | None) -> tuple[float, list[float]]:
    """Count a training's steps for MEASURE_S seconds, writing all the while where a model is given."""
    times = []
    begun, step = time.monotonic(), cluster.store.jobs.get(job_id).progress.step
    while time.monotonic() - begun < MEASURE_S:
        if model is None:
            time.sleep(0.1)
        else:
            times.append(write(cluster, model))
    return (cluster.store.jobs.get(job_id).progress.step - step) / (time.monotonic() - begun), times


def write(cluster: Cluster, model_id: str) -> float:
    """Let a model write 100 characters; return milliseconds from sending the job to its end."""
    params = {"model_id": model_id, "prompt": "there was a ", "seed": 3, "length": 100}
    begun = time.monotonic()
    job_id = cluster.send(JobType.GENERATE, params, model_id=model_id)
    after, alarm = "0-0", Alarm()
    while not cluster.store.jobs.get(job_id).ended:
        events = cluster.store.events.wait_any({job_id: after}, alarm, timeout_s=1).get(job_id, ())
        after = events[-1].id if events else after
    return (time.monotonic() - begun) * 1000


if __name__ == "__main__":
    main()
