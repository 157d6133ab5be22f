"""Estimates of a training: how large, how many steps, how long; refused where the training would be; nothing queued."""

from dataclasses import replace
from typing import Any

import pytest

from shared.requests.estimate import Speed
from shared.store import WorkerInfo
from tests.web.world import API, Reply, World, pointers


def estimate(world: World, corpus_id: str, **options: Any) -> Reply:
    return world.http.post(f"{API}/estimates", json={"corpus_id": corpus_id, **options})


def fast_worker(world: World, *, times: float = 1, name: str = "worker@loom-1") -> None:
    world.worker(name=name)
    info: WorkerInfo = next(info for info in world.services.store.workers.seen() if info.name == name)
    speed = Speed(seconds_per_position=2e-5 / times, flops_per_second=50e9 * times)
    world.services.store.workers.report(replace(info, speed=speed.as_json()))


@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_a_training_is_estimated_as_it_would_be_queued(world: World, recipe: str) -> None:
    corpus_id = world.corpus()
    fast_worker(world)
    left = world.traces()
    answer = estimate(world, corpus_id, recipe=recipe)
    assert answer.status_code == 200
    assert set(answer.json) == {"parameters", "steps", "seconds", "memory_bytes", "starting_point"}
    assert answer.json["seconds"] > 0
    assert world.traces() == left, "nothing is queued, nothing kept"
    halved = estimate(world, corpus_id, recipe=recipe, epochs=1).json
    assert halved["steps"] < answer.json["steps"]
    assert halved["seconds"] < answer.json["seconds"]


def test_without_a_worker_only_seconds_is_null(world: World) -> None:
    corpus_id = world.corpus()
    alone = estimate(world, corpus_id).json
    assert alone["seconds"] is None
    world.worker()
    silent = estimate(world, corpus_id).json
    assert silent["seconds"] is None, "a worker that has just begun has reported no speed"
    assert min(alone["parameters"], alone["steps"], alone["memory_bytes"]) > 0


def test_the_slowest_worker_counts_and_one_without_a_speed_does_not(world: World) -> None:
    corpus_id = world.corpus()
    fast_worker(world, times=4, name="fast@a")
    alone = estimate(world, corpus_id).json["seconds"]
    fast_worker(world, times=1, name="slow@b")
    world.worker(name="new@c")
    assert estimate(world, corpus_id).json["seconds"] == pytest.approx(4 * alone)


def test_a_limit_of_time_holds(world: World) -> None:
    corpus_id = world.corpus()
    fast_worker(world, times=0.001)
    whole, cut = (estimate(world, corpus_id, **more).json for more in ({}, {"max_seconds": 2}))
    assert cut["seconds"] == 2
    assert cut["steps"] < whole["steps"]


def test_a_model_to_start_from_gives_the_sizes(world: World) -> None:
    corpus_id = world.corpus()
    fast_worker(world)
    model = world.model(corpus_id, hidden_size=96, layers=2)
    own = estimate(world, corpus_id, hidden_size=96, layers=2, lowercase=True, epochs=3).json
    further = estimate(world, corpus_id, init_from=model.id, epochs=3).json
    assert further.pop("starting_point")["model_id"] == model.id
    assert own.pop("starting_point")["model_id"] is None
    assert further == own
    assert own["parameters"] > estimate(world, corpus_id, hidden_size=64, layers=1).json["parameters"]


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"corpus_id": "cor_" + "0" * 26}, "/corpus_id"),
        ({"init_from": "mod_" + "0" * 26}, "/init_from"),
        ({"epochs": 0}, "/epochs"),
        ({"hidden_size": 4096, "layers": 8}, "/hidden_size"),
        ({"size": 3}, "/size"),
    ],
)
def test_what_could_not_be_trained_gets_no_estimate(world: World, options: dict[str, Any], pointer: str) -> None:
    corpus_id = world.corpus()
    world.worker(memory_bytes=1 << 30)
    answer = world.http.post(f"{API}/estimates", json={"corpus_id": corpus_id} | options)
    assert answer.status_code == 422
    assert pointer in pointers(answer)
    train = world.http.post(f"{API}/train-jobs", json={"corpus_id": corpus_id} | options)
    assert (train.status_code, train.json["errors"]) == (422, answer.json["errors"])
