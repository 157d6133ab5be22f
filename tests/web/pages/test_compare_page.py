"""Models side by side: the address, what differs, the curves, one prompt through all of them; and a model's line."""

import re

import pytest

from tests.web.pages.test_pages import post, text_of, token_of
from tests.web.world import BOOK, World


@pytest.fixture
def three(world: World) -> list[str]:
    corpus_id = world.corpus()
    return [
        world.model(corpus_id, name=name, epochs_measured=epochs, hidden_size=hidden).id
        for name, epochs, hidden in (("Small", 3, 32), ("Large", 5, 128), ("Silent", 0, 64))
    ]


def compare(ids: list[str]) -> str:
    return f"/models/compare?ids={','.join(ids)}"


def test_boxes_of_the_list_lead_to_an_address_that_carries_the_models(world: World, three: list[str]) -> None:
    page = world.http.get("/models").text
    assert page.count('type="checkbox" name="id"') == 3
    sent = world.http.get("/models/compare", query_string=[("id", one) for one in three])
    assert (sent.status_code, sent.headers["Location"]) == (302, compare(three))


def test_what_differs_is_separate_from_what_does_not(world: World, three: list[str]) -> None:
    page = world.http.get(compare(three)).text
    differing, shared = page.split("What they have in common</summary>")
    assert "Hidden size" in differing
    assert "Hidden size" not in shared
    assert "Sequence length" in shared
    assert "N-gram loss" in shared
    assert "Sequence length" not in differing


def test_curves_of_several_models_share_one_plot(world: World, three: list[str]) -> None:
    page = world.http.get(compare(three)).text
    assert page.count("<polyline") == 4
    assert {"run-0", "run-1"} == set(re.findall(r'<polyline class="line \w+ (run-\d)"', page))
    assert page.count("<table data-run=") == 2
    assert "No losses are known of Silent" in page
    sent = world.http.get(f"/models/{three[1]}/losses.csv")
    assert sent.content_type == "text/csv; charset=utf-8"
    assert len(sent.text.splitlines()) == 6


def test_one_prompt_goes_through_all_with_one_seed(world: World, three: list[str]) -> None:
    sent = post(world, compare(three), prompt=" The wind", length="50", temperature="0.5")
    assert sent.status_code == 303
    jobs = re.findall(r"job_\w+", sent.headers["Location"])
    params = [world.get(f"/jobs/{one}").json["params"] for one in jobs]
    assert [one["model_id"] for one in params] == three
    assert {(one["prompt"], one["length"], one["temperature"]) for one in params} == {(" the wind", 50, 0.5)}
    assert len({one["seed"] for one in params}) == 1
    output = {"index": 0, "text": " sang", "finish_reason": "length", "copied": None}
    world.finish(world.claim(jobs[0]), {"prompt": " the wind", "seed": 1, "outputs": [output]})
    page = world.http.get(sent.headers["Location"]).text
    assert '<span class="prompt"> the wind</span><span class="text"> sang</span>' in page
    assert page.count("data-ended") == 1
    assert '<noscript><meta http-equiv="refresh"' in page, "two of them still write"
    assert re.search(r'id="temperature"[^>]*value="0.5"', page)


def test_a_prompt_that_one_of_them_can_not_read_is_sent_to_none(world: World, three: list[str]) -> None:
    odd = world.model(text=BOOK + "ß", name="Odd").id
    answer = post(world, compare([odd, *three]), prompt="the ß")
    assert answer.status_code == 422
    assert "Small never saw 'ß' (U+00DF). Large never saw" in text_of(answer)
    assert "Odd never saw" not in text_of(answer)
    assert "the ß</textarea>" in answer.text
    assert world.get("/jobs").json["data"] == []
    assert post(world, compare([odd, *three]), prompt="the ß", unknown_chars="drop").status_code == 303
    assert "prompt is empty" in text_of(post(world, compare(three), prompt=" "))


@pytest.mark.parametrize("count", [0, 1, 6])
def test_fewer_than_two_and_more_than_five_are_refused(world: World, count: int) -> None:
    ids = [world.model().id for _ in range(count)]
    answer = world.http.get(compare(ids))
    assert (answer.status_code, answer.content_type) == (422, "text/html; charset=utf-8")
    assert f"{count} models were selected; 2 to 5 can be compared" in text_of(answer)


def test_a_model_that_is_gone_is_said_to_be(world: World, three: list[str]) -> None:
    world.http.delete(f"/api/v1/models/{three[0]}")
    assert world.http.get(compare(three)).status_code == 404


def test_a_models_page_shows_its_line(world: World) -> None:
    first = world.model(name="First")
    second = world.model(name="Second", parent_model_id=first.id)
    third = world.model(name="Third", parent_model_id=second.id)
    line = text_of(world.http.get(f"/models/{second.id}")).split("Lineage")[1].split("Vocabulary")[0]
    assert line.index("First") < line.index("Second") < line.index("Third")
    assert compare([first.id, second.id, third.id]) in world.http.get(f"/models/{second.id}").text
    post(world, f"/models/{first.id}/delete")
    assert "a deleted model" in text_of(world.http.get(f"/models/{third.id}"))


def test_a_form_without_its_token_compares_nothing(world: World, three: list[str]) -> None:
    token_of(world)
    assert world.http.post(compare(three), data={"prompt": "the"}).status_code == 403
