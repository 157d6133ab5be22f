"""Estimates against real trainings: steps to the last one, seconds within a factor of three of the job's own."""

import os
from functools import partial
from typing import Any

import pytest

from shared.estimate import Speed, Training, estimate, seconds, work_of
from shared.jobs import Job, JobType
from shared.requests import ClassicRequest, StreamRequest
from shared.volume import Corpus
from tests.waiting import eventually
from tests.worker.cluster import Cluster
from tests.worker.training import classic, run, sample_text, stream
from worker.measure import measure
from worker.trainevents import Progress

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
    return measure(1)


@pytest.mark.parametrize("wish", SHAPES, ids=lambda wish: f"{wish.recipe}-{wish.hidden_size}-{wish.layers}")
def test_a_training_takes_what_was_foretold_from_the_measured_speed(wish: Training, speed: Speed) -> None:
    text = sample_text(16_000).lower()
    _, done = run(wish, text)
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
    long: dict[str, Any] = {"corpus_id": corpus.id, "name": "m", "seed": 1, "epochs": 10_000, "patience": 0,
                            "hidden_size": 32, "max_seconds": 3, "sample_chars": 20}  # fmt: skip
    with cluster.worker("runner"):
        eventually(lambda: speed_of(cluster), "the speed is measured")
        assert speed_of(cluster).factors == {}
        for wish in (StreamRequest(**long), ClassicRequest(**long, recipe="classic", seq_length=20)):
            for _ in range(2):
                known = speed_of(cluster)
                job = cluster.ended(cluster.send(JobType.TRAIN, wish.model_dump(mode="json")))
                compare(wish, corpus, job, known)
                eventually(partial(learnt, cluster, known), "it learns")
        assert set(speed_of(cluster).factors) == {"stream", "classic"}


def speed_of(cluster: Cluster) -> Any:
    """Return the speed of the only worker, None while it has told none."""
    return next((speed for info in cluster.seen() if (speed := Speed.of(info.speed))), None)


def learnt(cluster: Cluster, known: Speed) -> bool:
    """Tell whether the only worker's speed is another by now."""
    return bool(speed_of(cluster) != known)


def compare(wish: Training, corpus: Corpus, job: Job, known: Speed) -> None:
    """Hold the steps that were foretold for the job's time, and the time for its steps, against its own record."""
    assert (job.result or {})["stop_reason"] == "time_limit"
    chars, vocab_size = corpus.learnt(lowercase=True, drop_bom=True)
    told = estimate(wish, chars=chars, vocab_size=vocab_size, memory_bytes=0, speeds=[known])
    assert told.seconds == wish.max_seconds
    assert told.steps / 3 < job.progress.step < told.steps * 3, (told, job.progress, os.getloadavg())
