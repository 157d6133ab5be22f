"""Generate requests: the prompt is chosen or fitted, and refused where the model can't read it."""

import unicodedata
from typing import Any, Literal

import pytest

from shared.requests.recipes import RecipeName
from tests.web.world import API, BOOK, World, pointers


def test_a_writing_is_queued_with_its_prompt_in_the_models_form(world: World) -> None:
    corpus_id = world.corpus()
    model = world.model(corpus_id)
    answer = world.write(model.id, prompt="\ufeffThe Wind\r\nwas", seed=3, metadata={"a": "b"}, top_k=10_000)
    assert answer.status_code == 202
    job = answer.json
    assert (job["type"], job["status"], job["metadata"]) == ("generate", "queued", {"a": "b"})
    assert job["params"]["prompt"] == "the wind\nwas"
    assert job["params"]["seed"] == 3
    assert job["links"]["model"] == f"{API}/models/{model.id}"
    stored = world.services.store.jobs.get(job["id"])
    assert stored.model_id == model.id
    assert stored.uses == (model.id, corpus_id)
    assert any(name.startswith("jobs/") for name in world.traces()[1]), "an emptied Redis forgets it not"


@pytest.mark.parametrize(("recipe", "lowercase"), [("stream", True), ("stream", False), ("classic", True)])
def test_without_a_prompt_the_seed_chooses_a_passage(world: World, recipe: RecipeName, lowercase: bool) -> None:
    text = "\ufeff" + BOOK
    model = world.model(world.corpus(text), text=text, recipe=recipe, lowercase=lowercase, seq_length=80)
    prompts = [world.write(model.id, seed=seed).json["params"]["prompt"] for seed in (1, 1, 2, 3)]
    assert prompts[0] == prompts[1]
    assert len(set(prompts)) == 3
    read = text.lower() if lowercase else text
    for prompt in prompts:
        assert len(prompt) == 80
        assert prompt in (read.removeprefix("\ufeff") if recipe == "stream" else read)
    assert world.write(model.id).json["params"]["seed"] < 2**32


def test_without_a_prompt_and_without_the_text_there_is_nothing_to_go_on_from(world: World) -> None:
    corpus_id = world.corpus()
    for model in (world.model(None), world.model(corpus_id)):
        world.http.delete(f"{API}/corpora/{corpus_id}")
        answer = world.write(model.id)
        assert (answer.status_code, pointers(answer)) == (422, ["/prompt"])
        assert world.write(model.id, prompt="the").status_code == 202


@pytest.mark.parametrize(
    ("options", "prompt"),
    [
        ({"prompt": "the ☃ wind", "unknown_chars": "drop"}, "the  wind"),
        ({"prompt": "\ufeffwind"}, "wind"),
        ({"prompt": "THE WIND"}, "the wind"),
    ],
)
def test_a_prompt_is_brought_into_the_models_form(world: World, options: dict[str, Any], prompt: str) -> None:
    assert world.write(world.model().id, **options).json["params"]["prompt"] == prompt


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_prompt_and_stop_strings_take_the_unicode_form_that_the_model_knows(
    world: World, form: Literal["NFC", "NFD"]
) -> None:
    model = world.model(text=unicodedata.normalize(form, "un café, 한국어. " * 50))
    for sent in ("NFC", "NFD"):
        given = unicodedata.normalize(sent, "CAFÉ 한국")
        params = world.write(model.id, prompt=given, stop=[given]).json["params"]
        wanted = unicodedata.normalize(form, "café 한국")
        assert (params["prompt"], params["stop"]) == (wanted, [wanted])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": "the ☃ \U0001f600"}, "'☃' (U+2603), '😀' (U+1F600)"),
        ({"prompt": "☃", "unknown_chars": "drop"}, "no character that the model knows"),
        ({"prompt": "\ufeff"}, "no character"),
        ({"prompt": "a\ud800"}, "half a character"),
        ({"prompt": "0123456789!?%&$"}, "and 5 more"),
    ],
)
def test_characters_that_the_model_never_saw_are_named(world: World, options: dict[str, Any], words: str) -> None:
    model = world.model()
    before = world.traces()
    answer = world.write(model.id, **options)
    assert (answer.status_code, pointers(answer)) == (422, ["/prompt"])
    assert words in answer.json["detail"]
    assert world.traces() == before


def test_a_model_that_a_live_job_uses_can_not_be_deleted(world: World) -> None:
    model = world.model()
    job_id = world.write(model.id, prompt="the").json["id"]
    assert world.http.delete(f"{API}/models/{model.id}").status_code == 409
    world.http.post(f"{API}/jobs/{job_id}/cancel")
    assert world.http.delete(f"{API}/models/{model.id}").status_code == 204
    assert world.get(f"/models/{model.id}").status_code == 404
