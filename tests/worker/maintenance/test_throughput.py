"""Estimates against real trainings: steps to the last one, seconds within a factor of three of the job's own."""

import math
import os
import time
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from shared.jobs.record import JobType
from shared.requests.estimate import Speed, Training, estimate, seconds, work_of
from shared.requests.options import ClassicRequest, StreamRequest
from shared.volume import Corpus
from tests.preloaded_process import SLOW_BATCH_S, SLOW_CHECKPOINT_SECONDS
from tests.waiting import eventually
from tests.worker.cluster import Cluster
from tests.worker.short_trainings import classic, run, sample_text, stream
from worker.training.events import Progress
from worker.training.measure import measure
from worker.training.train import train

#: Seconds that a training runs for at least: a worker looks at what it runs every two.
SEEN_S = 3.5
#: Shapes with a second or so of work: steps that wait, steps that compute, both recipes, evaluation and samples.
SHAPES: list[Training] = [
    stream(hidden_size=32, batch_size=16, seq_length=100, epochs=6),
    stream(hidden_size=256, batch_size=16, seq_length=100, epochs=1, precision="auto"),
    stream(hidden_size=64, layers=2, batch_size=8, seq_length=50, epochs=2, validation_fraction=0.3),
    classic(hidden_size=64, seq_length=50, epochs=1),
    classic(hidden_size=16, seq_length=100, batch_size=128, epochs=1),
]


@pytest.fixture(scope="module")
def speed() -> Speed:
    return measure(1, clock=time.thread_time)


@pytest.mark.parametrize("request_", SHAPES, ids=lambda one: f"{one.recipe}-{one.hidden_size}-{one.layers}")
def test_a_training_takes_what_was_estimated_from_the_measured_speed(request_: Training, speed: Speed) -> None:
    text = sample_text(16_000 if request_.recipe == "stream" else 6_000).lower()
    # On one thread, by the processor's time: what else this machine does counts in neither.
    _, done = run(request_, text, clock=time.thread_time)
    took = max(row.seconds for row in done.metrics)
    estimated = seconds(request_, len(text), len(set(text)), speed)
    assert estimated / 3 < took < estimated * 3, (estimated, took, os.getloadavg())


@pytest.mark.parametrize("chars", [1_000, 1_001, 4_999, 7_777])
@pytest.mark.parametrize("options", [{}, {"batch_size": 7, "seq_length": 13}, {"seq_length": 100}, {"epochs": 3}])
def test_steps_are_counted_as_the_trainer_counts_them(chars: int, options: dict[str, Any]) -> None:
    for kind in (stream, partial(stream, validation="spread"), classic):
        request = kind(**{"hidden_size": 4, "sample_chars": 0, "epochs": 1} | options)
        with closing(train(request, sample_text(chars), threads=1)) as events:
            progress = next(event for event in events if isinstance(event, Progress))
        assert request.epochs * work_of(request, chars).steps == progress.total_steps


def test_a_worker_reports_its_speed_and_learns_from_the_jobs_that_end_there(cluster: Cluster, corpus: Corpus) -> None:
    some: dict[str, Any] = {"corpus_id": corpus.id, "name": "m", "seed": 1, "patience": 0}
    some |= {"checkpoint_seconds": SLOW_CHECKPOINT_SECONDS}
    chars, vocab_size = corpus.normalized_size(lowercase=True, drop_bom=True)
    requests: list[Training] = [
        StreamRequest(**some, init_from=None, hidden_size=32, seq_length=100, batch_size=16),
        ClassicRequest(**some, recipe="classic", hidden_size=16, seq_length=20, batch_size=1024),
    ]
    with cluster.worker("runner"):
        eventually(lambda: speed_of(cluster), "the speed is measured")
        for once in requests:
            one = work_of(once, chars).steps * SLOW_BATCH_S
            request = once.model_copy(update={"epochs": math.ceil(SEEN_S / one)})
            job = cluster.ended(cluster.send(JobType.TRAIN, request.model_dump(mode="json")))
            took = cluster.store.jobs.metrics(job.id)[-1]["seconds"]
            eventually(partial(has_learned, cluster, request.recipe), f"it learns of {request.recipe}")
            found = estimate(request, chars=chars, vocab_size=vocab_size, memory_bytes=0, speeds=[speed_of(cluster)])
            assert job.progress.total_steps == found.steps
            assert found.seconds is not None
            # What else this machine does counts in both, since the speed is corrected by the job.
            assert found.seconds / 3 < took < found.seconds * 3, (found, took, os.getloadavg())


def speed_of(cluster: Cluster) -> Any:
    """Return the speed of the only worker, None before it has reported one."""
    return next((speed for info in cluster.seen() if (speed := Speed.of(info.speed))), None)


def has_learned(cluster: Cluster, recipe: str) -> bool:
    """Return True if the only worker has corrected its speed by a training of this recipe."""
    return recipe in speed_of(cluster).factors
