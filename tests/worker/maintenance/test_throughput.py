"""Estimates against real trainings: steps to the last one, seconds within a factor of three of the job's own."""

import os
import time
from functools import partial
from typing import Any

import pytest

from shared.jobs.record import JobType
from shared.requests.estimate import Speed, Training, estimate, seconds, work_of
from shared.requests.options import ClassicRequest, StreamRequest
from shared.volume import Corpus
from tests.waiting import eventually
from tests.worker.cluster import Cluster
from tests.worker.short_trainings import classic, run, sample_text, stream
from worker.training.events import Progress
from worker.training.measure import measure

#: Seconds that a training is to run for: a worker looks at what it runs every two.
SEEN_S = 6.0
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


@pytest.mark.parametrize("wish", SHAPES, ids=lambda wish: f"{wish.recipe}-{wish.hidden_size}-{wish.layers}")
def test_a_training_takes_what_was_estimated_from_the_measured_speed(wish: Training, speed: Speed) -> None:
    text = sample_text(16_000).lower()
    # On one thread, by the processor's time: what else this machine does counts in neither.
    _, done = run(wish, text, clock=time.thread_time)
    took = max(row.seconds for row in done.metrics)
    told = seconds(wish, len(text), len(set(text)), speed)
    assert told / 3 < took < told * 3, (told, took, os.getloadavg())


@pytest.mark.parametrize("chars", [1_000, 1_001, 4_999, 7_777])
@pytest.mark.parametrize("options", [{}, {"batch_size": 7, "seq_length": 13}, {"seq_length": 100}, {"epochs": 3}])
def test_steps_are_counted_as_the_trainer_counts_them(chars: int, options: dict[str, Any]) -> None:
    for kind in (stream, classic):
        wish = kind(**{"hidden_size": 4, "sample_chars": 0, "epochs": 1} | options)
        events, _ = run(wish, sample_text(chars))
        told = next(event for event in events if isinstance(event, Progress))
        assert wish.epochs * work_of(wish, chars).steps == told.total_steps


def test_a_worker_tells_its_speed_and_learns_from_the_jobs_that_end_there(cluster: Cluster, corpus: Corpus) -> None:
    some: dict[str, Any] = {"corpus_id": corpus.id, "name": "m", "seed": 1, "patience": 0, "hidden_size": 32}
    chars, vocab_size = corpus.normalized_size(lowercase=True, drop_bom=True)
    requests: list[Training] = [
        StreamRequest(**some, seq_length=20),
        ClassicRequest(**some, seq_length=20, recipe="classic"),
    ]
    with cluster.worker("runner"):
        eventually(lambda: speed_of(cluster), "the speed is measured")
        for once in requests:
            one = seconds(once.model_copy(update={"epochs": 1}), chars, vocab_size, speed_of(cluster))
            wish = once.model_copy(update={"epochs": max(1, round(SEEN_S / one))})
            job = cluster.ended(cluster.send(JobType.TRAIN, wish.model_dump(mode="json")))
            took = cluster.store.jobs.metrics(job.id)[-1]["seconds"]
            eventually(partial(learnt, cluster, wish.recipe), f"it learns of {wish.recipe}")
            told = estimate(wish, chars=chars, vocab_size=vocab_size, memory_bytes=0, speeds=[speed_of(cluster)])
            assert job.progress.total_steps == told.steps
            assert told.seconds is not None
            # What else this machine does counts in both: the job has told what it was like.
            assert told.seconds / 3 < took < told.seconds * 3, (told, took, os.getloadavg())


def speed_of(cluster: Cluster) -> Any:
    """Return the speed of the only worker, None while it has told none."""
    return next((speed for info in cluster.seen() if (speed := Speed.of(info.speed))), None)


def learnt(cluster: Cluster, recipe: str) -> bool:
    """Return True if the only worker has corrected its speed by a training of this recipe."""
    return recipe in speed_of(cluster).factors
