"""Who may send jobs of high priority, and where such jobs go."""

from pathlib import Path

import pytest

from tests.web.locked import ANNA, BERT, bearer, locked_world
from tests.web.world import API, World, pointers, settings_of


@pytest.mark.parametrize(
    ("setting", "key", "priority", "status"),
    [
        ("", ANNA, "low", 202),
        ("", ANNA, "high", 422),
        ("anna", ANNA, "high", 202),
        ("anna", BERT, "high", 422),
        ("*", BERT, "high", 202),
        ("anna", ANNA, "urgent", 422),
    ],
)
def test_high_priority_is_for_keys_that_the_operator_names(
    redis_url: str, data_dir: Path, setting: str, key: str, priority: str, status: int
) -> None:
    world = locked_world(redis_url, data_dir, CHARLOOM_HIGH_PRIORITY=setting)
    text = world.http.post(f"{API}/corpora", data="A text. " * 300, content_type="text/plain", headers=bearer(key))
    model = world.model(text.json["id"], text="A text.")
    for path, body in (
        ("train-jobs", {"corpus_id": text.json["id"], "init_from": None}),
        ("generate-jobs", {"model_id": model.id, "prompt": "a"}),
    ):
        answer = world.http.post(f"{API}/{path}", json={**body, "priority": priority}, headers=bearer(key))
        assert answer.status_code == status, answer.text
        if status == 422:
            assert pointers(answer) == ["/priority"]
        else:
            assert answer.json["params"]["priority"] == priority
    world.close()


def test_without_keys_nobody_may_unless_everybody_may(redis_url: str, data_dir: Path) -> None:
    for setting, status in (("", 422), ("anna", 422), ("*", 202)):
        world = World(settings_of(redis_url, data_dir, CHARLOOM_HIGH_PRIORITY=setting))
        answer = world.train(world.corpus(), init_from=None, priority="high")
        assert answer.status_code == status, answer.text
        world.close()


def test_a_job_of_low_priority_lets_others_pass_and_keeps_that_when_it_is_resumed(world: World) -> None:
    corpus_id = world.corpus()
    patient, normal = (world.train(corpus_id, init_from=None, priority=name).json["id"] for name in ("low", "normal"))
    assert [world.get(f"/jobs/{job}").json["queue_position"] for job in (normal, patient)] == [1, 2]
    claim = world.claim(patient)
    world.save_state(claim)
    world.fail(claim)
    resumed = world.http.post(f"{API}/jobs/{patient}/resume").json
    assert (resumed["params"]["priority"], resumed["queue_position"]) == ("low", 2)
    page = world.http.get(f"/jobs/{patient}").text
    assert "--priority low" in page
