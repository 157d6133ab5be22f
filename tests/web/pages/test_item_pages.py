"""The form that asks for items, and the table of those that were written, without JavaScript."""

import html
import re

import pytest

from shared.jobs.events import EventType
from tests.web.api.test_items import LIST, asked, written
from tests.web.pages.test_pages import post
from tests.web.world import World

WORDS = ["reeds", "Aspen", "<b>wind</b>", "heard", "a river"]


def rows(world: World, address: str) -> list[str]:
    """Return the items of the table on a page."""
    body = world.http.get(address).text.partition('<table class="items">')[2].partition("<tbody>")[2]
    return [html.unescape(cell) for cell in re.findall(r'<td dir="auto">(.*?)</td>', body)]


def headings(page: str) -> dict[str, str]:
    """Return the address that sorts by each column."""
    found = re.findall(r'<th scope="col"[^>]*><a href="([^"]*)">([^<]*)', page)
    return {label.strip(): html.unescape(address).partition("#")[0] for address, label in found}


def test_items_are_shown_in_a_table_that_links_sort(world: World) -> None:
    job_id = written(world, WORDS)
    here = f"/jobs/{job_id}"
    page = world.http.get(here).text
    assert "5 items in 300 tries; 2 different ones are in the training text." in page
    assert f'href="/api/v1/jobs/{job_id}/items?format=csv"' in page
    assert page.count('class="known"') == 2
    assert rows(world, here) == WORDS
    links = headings(page)
    assert rows(world, links["No."]) == WORDS[::-1], "the order is reversed"
    assert rows(world, links["Item"]) == ["<b>wind</b>", "a river", "Aspen", "heard", "reeds"]
    again = headings(world.http.get(links["Item"]).text)
    assert rows(world, again["Item"]) == ["reeds", "heard", "Aspen", "a river", "<b>wind</b>"]
    assert rows(world, links["Characters"])[-1] == "<b>wind</b>"
    assert rows(world, links["Log-probability"]) == WORDS[::-1]
    assert rows(world, links["In the training text"])[:2] == ["reeds", "heard"]
    assert 'aria-sort="ascending"' in world.http.get(links["Item"]).text
    for odd in ("sort=x", "order=x", "page=-1", "page=99999", "page=7", "sort="):
        assert rows(world, f"{here}?{odd}") == WORDS, odd


def test_a_long_table_comes_in_pages(world: World) -> None:
    job_id = written(world, [f"item {number}" for number in range(1500)])
    first = world.http.get(f"/jobs/{job_id}?sort=logprob").text
    assert "The first 1,000 of this order are shown" in first
    following = re.search(r'<a href="([^"]*)#[^"]*" rel="next"', first)
    assert following
    assert rows(world, html.unescape(following[1])) == [f"item {number}" for number in range(1399, 1299, -1)]
    last = world.http.get(f"/jobs/{job_id}?page=9").text
    assert 'rel="next"' not in last
    assert rows(world, f"/jobs/{job_id}?page=9")[-1] == "item 999"


def test_a_list_that_ended_early_says_why_and_one_without_its_file_says_so(world: World) -> None:
    job_id = written(world, ["a"], finish_reason="exhausted", detail="1 of 9 items were written: too few.", known=None)
    page = world.http.get(f"/jobs/{job_id}").text
    assert "1 items in 300 tries. 1 of 9 items were written: too few." in page
    world.services.volume.jobs.items(job_id).unlink()
    assert "No items were written." in world.http.get(f"/jobs/{job_id}").text


def test_a_running_job_shows_the_items_so_far(world: World) -> None:
    job_id = asked(world).json["id"]
    claim = world.claim(job_id)
    world.record(claim, (EventType.ITEMS, {"offset": 0, "items": ["reeds", "wind"]}))
    world.record(claim, (EventType.ITEMS, {"offset": 2, "items": ["river"]}))
    page = world.http.get(f"/jobs/{job_id}").text
    assert re.findall(r'<li dir="auto">(.*?)</li>', page) == ["river", "wind", "reeds"]
    assert "4 items" in page


def test_the_form_offers_items_to_a_model_of_a_list(world: World) -> None:
    corpus_id = world.corpus()
    model, plain = world.model(corpus_id, items=LIST), world.model(corpus_id, name="Prose")
    page = world.http.get(f"/write?model_id={model.id}").text
    assert re.search(r'name="items.count" value="100"', page)
    assert re.search(r"<details[^>]*data-items open>", page)
    page = world.http.get(f"/write?model_id={plain.id}").text
    assert re.search(r'name="items.count" value=""', page)
    assert re.search(r"<details[^>]*data-items>", page)
    form = {"items.new": "true", "items.separator": "", "items.min_chars": "2"}
    answer = post(world, "/write", **form, **{"model_id": model.id, "items.count": "7", "prompt": "The"})
    assert answer.status_code == 303
    job = world.get(answer.location).json
    assert job["params"]["items"] == {
        "count": 7, "unique": True, "new": True, "min_chars": 2, "max_chars": 1000, "separator": "\n"
    }  # fmt: skip
    again = world.http.get(f"/write?again={job['id']}").text
    for name, value in (("count", "7"), ("min_chars", "2"), ("separator", r"\n")):
        assert f'name="items.{name}" value="{value}"' in again
    text = post(world, "/write", **form, **{"model_id": model.id, "items.count": "", "prompt": "The"})
    assert world.get(text.location).json["params"]["items"] is None


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"items.count": "many"}, "items.count is &#34;many&#34;, but must be a whole number"),
        ({"items.count": "5", "items.min_chars": "9", "items.max_chars": "4"}, "max_chars of at least min_chars, 9"),
        ({"items.count": "5", "length": "9"}, "length can&#39;t be combined with items"),
        ({"items.count": "5"}, "items.separator is missing"),
    ],
)
def test_wrong_items_are_shown_with_what_was_typed(world: World, typed: dict[str, str], words: str) -> None:
    model = world.model(world.corpus())
    page = post(world, "/write", model_id=model.id, prompt="the", **typed)
    assert page.status_code == 422
    assert words in page.text
    assert f'name="items.count" value="{typed["items.count"]}"' in page.text
