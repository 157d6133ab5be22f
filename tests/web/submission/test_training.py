"""Train requests: fitted, named, seeded, and refused where they don't fit."""

from typing import Any

import pytest

from shared.jobs.record import JobType
from shared.requests.options import StreamRequest
from tests.web.world import BOOK, World, pointers, settings_of


def test_a_training_is_queued_with_every_option_concrete(world: World) -> None:
    corpus_id = world.corpus()
    answer = world.train(corpus_id, metadata={"mine": "1"})
    assert answer.status_code == 202
    job = answer.json
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    assert answer.headers["Retry-After"] == "1"
    assert (job["type"], job["status"], job["queue_position"], job["attempt"]) == ("train", "queued", 1, 0)
    assert (job["worker"], job["started_at"], job["result"], job["error"]) == (None, None, None, None)
    assert job["progress"]["step"] == 0
    assert job["metadata"] == {"mine": "1"}
    assert job["request_id"] == answer.headers["X-Request-Id"]
    assert job["request_id"] in world.http.get(f"/jobs/{job['id']}").text
    assert job["links"] == {
        "self": f"/api/v1/jobs/{job['id']}",
        "events": f"/api/v1/jobs/{job['id']}/events",
        "cancel": f"/api/v1/jobs/{job['id']}/cancel",
        "model": None,
        "corpus": None,
    }
    params = job["params"]
    assert (params["recipe"], params["name"], params["epochs"]) == (
        "stream",
        "Reeds",
        StreamRequest.model_fields["epochs"].default,
    )
    assert params["batch_size"] < 32, "a short text takes fewer batch rows"
    assert 0 <= params["seed"] < 2**32
    stored = world.services.store.jobs.get(job["id"])
    assert stored.type is JobType.TRAIN
    assert stored.uses == (corpus_id,)
    assert stored.model_id == job["id"].replace("job_", "mod_")
    assert world.traces()[1] >= {f"jobs/{job['id']}/job.json"}


def test_the_classic_recipe_has_the_documents_numbers(world: World) -> None:
    params = world.train(world.corpus(), recipe="classic", seed=7).json["params"]
    said = (
        params["seq_length"],
        params["hidden_size"],
        params["batch_size"],
        params["epochs"],
        params["learning_rate"],
    )
    assert said == (100, 256, 128, 20, 0.001)
    assert (params["embedding_size"], params["validation_fraction"], params["grad_clip"], params["seed"]) == (
        0,
        0,
        0,
        7,
    )


@pytest.mark.parametrize(
    ("text", "options", "place"),
    [
        ("too short\n" * 50, {}, "/corpus_id"),
        ("too short\n" * 20, {"recipe": "classic"}, "/seq_length"),
        (BOOK, {"batch_size": 4096}, "/batch_size"),
        (BOOK, {"hidden_size": 4096, "layers": 8, "seq_length": 2048, "batch_size": 1}, "/hidden_size"),
    ],
)
def test_what_does_not_fit_the_text_is_refused_with_the_numbers(
    world: World, text: str, options: dict[str, Any], place: str
) -> None:
    corpus_id = world.corpus(text)
    before = world.traces()
    answer = world.train(corpus_id, **options)
    assert answer.status_code == 422
    assert place in pointers(answer)
    assert any(digit.isdigit() for digit in answer.json["detail"])
    assert world.traces() == before


def test_a_job_too_large_for_the_smallest_worker_is_refused(redis_url: str, world: World) -> None:
    corpus_id = world.corpus()
    world.worker(name="worker@large")
    assert world.train(corpus_id).status_code == 202
    world.worker(name="worker@small", memory_bytes=256 << 20)
    refused = world.train(corpus_id)
    assert refused.status_code == 422
    assert "256 MiB" in refused.json["detail"]
    configured = World(settings_of(redis_url, world.services.volume.folder, CHARLOOM_JOB_MEMORY_BYTES=str(8 << 30)))
    assert configured.train(corpus_id).status_code == 202, "what is set holds, not what the workers say"
    configured.close()


def test_the_mark_in_front_of_a_text_counts_for_classic_only(world: World) -> None:
    corpus_id = world.corpus("\ufeff" + "a b\n" * 249 + "abc")
    assert world.get(f"/corpora/{corpus_id}").json["chars"] == 1000
    answer = world.train(corpus_id)
    assert answer.status_code == 422, "without the mark the text has 999 characters"
    assert "999" in answer.json["detail"]


def test_a_training_can_start_from_a_model_whose_sizes_hold(world: World) -> None:
    corpus_id = world.corpus()
    model = world.model(hidden_size=48, lowercase=False)
    job = world.train(corpus_id, init_from=model.id, lowercase=False, epochs=2).json
    assert (job["params"]["hidden_size"], job["params"]["embedding_size"]) == (48, 64)
    assert (job["params"]["init_from"], job["params"]["lowercase"], job["params"]["epochs"]) == (model.id, False, 2)
    assert world.services.store.jobs.get(job["id"]).uses == (corpus_id, model.id)
    assert world.train(corpus_id, init_from=model.id).json["params"]["lowercase"] is False, (
        "left out, it is the model's"
    )


@pytest.mark.parametrize(
    ("options", "place", "words"),
    [
        ({"hidden_size": 64}, "/hidden_size", "has 48"),
        ({"recipe": "classic"}, "/init_from", "recipe 'stream'"),
    ],
)
def test_what_the_starting_model_fixes_can_not_be_asked_otherwise(
    world: World, options: dict[str, Any], place: str, words: str
) -> None:
    model = world.model(hidden_size=48)
    answer = world.train(world.corpus(), init_from=model.id, **options)
    assert (answer.status_code, pointers(answer)) == (422, [place])
    assert words in answer.json["detail"]


def test_a_stream_model_is_extended_by_the_texts_characters(world: World) -> None:
    model = world.model()
    corpus_id = world.corpus(BOOK + "Zoë ☃\n")
    params = world.train(corpus_id, init_from=model.id).json["params"]
    assert params["lowercase"] is True, "left out, it is the model's"
    kept = world.train(corpus_id, init_from=model.id, lowercase=False)
    assert (kept.status_code, kept.json["params"]["lowercase"]) == (202, False)
    # Three characters more (z, ë and ☃): a row of the embedding and of the output layer for each.
    plain, more = (
        world.http.post("/api/v1/estimates", json={"corpus_id": id_, "init_from": model.id}).json["parameters"]
        for id_ in (world.corpus(), corpus_id)
    )
    assert more - plain == 3 * (64 + 64 + 1)
    nothing = world.train(world.corpus("абв где\n" * 300), init_from=model.id)
    assert (nothing.status_code, pointers(nothing)) == (422, ["/init_from"])
    assert "no character in common" in nothing.json["detail"]


def test_characters_that_a_classic_model_never_saw_are_named(world: World) -> None:
    model = world.model(recipe="classic")
    answer = world.train(world.corpus(BOOK + "Zoë ☃\n"), init_from=model.id, recipe="classic")
    assert (answer.status_code, pointers(answer)) == (422, ["/init_from"])
    assert "'ë' (U+00EB)" in answer.json["detail"]
    assert "'☃' (U+2603)" in answer.json["detail"]
    unknown = world.train(world.corpus(), init_from="mod_" + "0" * 26)
    assert (unknown.status_code, pointers(unknown)) == (422, ["/init_from"])


def test_a_corpus_that_is_being_deleted_takes_no_new_job(world: World) -> None:
    corpus_id = world.corpus()
    before = world.traces()[1]
    world.services.store.jobs.retire(corpus_id)
    assert world.train(corpus_id).status_code == 409
    assert world.traces()[1] == before
