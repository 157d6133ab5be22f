"""Requests for the items of a list, and the items that were written, as JSON, CSV and text."""

import csv
import io
from typing import Any

import pytest

from shared.ids import new_id
from shared.store import Claim
from shared.text.items import ModelItems
from shared.volume.item_lists import Item
from tests.web.world import API, World, pointers

LIST = ModelItems(separator="\n", count=75, unique=3)
ITEMS = ["the wind", 'a "reed", heard', "=river", "song\u2028sang"]


def asked(world: World, **options: Any) -> Any:
    """Ask a model of a list for items."""
    model = world.model(world.corpus(), items=LIST)
    return world.write(model.id, **{"items": {"count": 4}, **options})


def written(world: World, items: list[str], **result: Any) -> str:
    """Write items as a worker does, and return the job's id."""
    job_id = str(asked(world).json["id"])
    finish_list(world, world.claim(job_id), items, **result)
    return job_id


def finish_list(world: World, claim: Claim, items: list[str], **result: Any) -> None:
    """End a job that has written these items."""
    known = (True, False, None)
    with world.services.volume.jobs.writing_items(claim.job.id) as add:
        add([Item(index=n, text=text, logprob=-n / 4, known=known[n % 3]) for n, text in enumerate(items)])
    counts = {"written": len(items), "tries": 300, "doubled": 9, "known": 2, "short": 0, "cut": 0}
    expected = {"separator": "\n", "finish_reason": "count", "detail": "All items were written.", **counts, **result}
    world.finish(claim, {"prompt": "", "outputs": [], "seed": 1, "items": expected})


def test_a_request_for_items_is_queued_without_length_and_with_its_separator(world: World) -> None:
    job = asked(world, prompt="The").json
    assert "length" not in job["params"]
    assert job["params"]["prompt"] == "the"
    assert job["params"]["items"] == {
        "count": 4, "unique": True, "new": False, "min_chars": 1, "max_chars": 1000, "separator": "\n"
    }  # fmt: skip
    assert asked(world).json["params"]["prompt"] is None, "no passage"
    plain = world.model(world.corpus())
    asked_of_plain = world.write(plain.id, items={"count": 4, "separator": ".\r\n"})
    assert asked_of_plain.json["params"]["items"]["separator"] == ".\n"


@pytest.mark.parametrize(
    ("options", "pointer", "words"),
    [
        ({"length": 100}, "/length", "can't be combined with items"),
        ({"n": 2}, "/n", "must be 1 with items"),
        ({"stop": ["x"]}, "/stop", "can't be combined with items"),
        ({"items": {"count": 0}}, "/items/count", "at least 1"),
        ({"items": {"count": 100_001}}, "/items/count", "at most 100000"),
        ({"items": {}}, "/items/count", "missing"),
        (
            {"items": {"count": 1, "min_chars": 9, "max_chars": 5}},
            "/items",
            "need max_chars of at least min_chars, 9",
        ),
        ({"items": {"count": 100_000, "max_chars": 2000}}, "/items", "items may have 100,000,000 characters together"),
        ({"items": {"count": 1, "separator": "☃"}}, "/items/separator", "never saw: '☃' (U+2603)"),
        ({"items": {"count": 1, "separator": ""}}, "/items/separator", "empty"),
        ({"items": {"count": 1, "temperature": 1}}, "/items/temperature", "not a field"),
        ({"prompt": "a\nd"}, "/prompt", "contains the separator"),
        ({"prompt": "the wind", "items": {"count": 1, "max_chars": 8}}, "/prompt", "leave room"),
    ],
)
def test_items_that_can_not_be_written_are_refused(
    world: World, options: dict[str, Any], pointer: str, words: str
) -> None:
    answer = asked(world, **options)
    assert (answer.status_code, pointers(answer)) == (422, [pointer])
    assert words in answer.json["detail"]


def test_items_are_refused_if_the_model_can_not_separate_them(world: World) -> None:
    corpus_id = world.corpus()
    plain, classic = world.model(corpus_id), world.model(corpus_id, recipe="classic", items=LIST)
    imported = world.model(None, items=LIST)
    for model, items, pointer in (
        (plain, {}, "/items/separator"),
        (classic, {}, "/items"),
        (imported, {"new": True}, "/items/new"),
    ):
        answer = world.write(model.id, items={"count": 4, **items})
        assert (answer.status_code, pointers(answer)) == (422, [pointer])
    assert world.write(imported.id, items={"count": 4}).status_code == 202
    assert world.http.delete(f"{API}/corpora/{corpus_id}").status_code == 204
    answer = world.write(world.model(corpus_id, items=LIST).id, items={"count": 4, "new": True})
    assert pointers(answer) == ["/items/new"]


def test_items_come_in_pages(world: World) -> None:
    job_id = written(world, [f"item {number}" for number in range(250)])
    found: list[Any] = []
    after: dict[str, str] = {}
    for size in (100, 100, 50):
        page = world.get(f"/jobs/{job_id}/items", query_string=after).json
        assert (len(page["data"]), page["has_more"]) == (size, size == 100)
        found += page["data"]
        after = {"after": page["last_id"]}
    assert [item["text"] for item in found] == [f"item {number}" for number in range(250)]
    assert found[4] == {"object": "item", "index": 4, "text": "item 4", "logprob": -1.0, "known": False}
    assert world.get(f"/jobs/{job_id}/items?after=249").json["data"] == []
    assert len(world.get(f"/jobs/{job_id}/items?limit=1000").json["data"]) == 250
    for wrong in ("limit=1001", "after=-1", "after=x", "format=xml"):
        assert world.get(f"/jobs/{job_id}/items?{wrong}").status_code == 422


def test_items_are_sent_as_csv_and_as_text(world: World) -> None:
    job_id = written(world, ITEMS)
    for options in ({"query_string": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}):
        answer = world.get(f"/jobs/{job_id}/items", **options)
        assert answer.content_type == "text/csv; charset=utf-8"
        assert f'filename="{job_id}-items.csv"' in answer.headers["Content-Disposition"]
        header, *rows = csv.reader(io.StringIO(answer.text, newline=""))
        assert header == ["index", "text", "logprob", "known"]
        assert [row[1] for row in rows] == ITEMS
        assert [row[3] for row in rows] == ["true", "false", "", "true"]
    text = world.get(f"/jobs/{job_id}/items", headers={"Accept": "text/plain"})
    assert (text.content_type, text.text) == ("text/plain; charset=utf-8", "".join(item + "\n" for item in ITEMS))
    assert world.get(f"/jobs/{job_id}/items?format=json", headers={"Accept": "text/csv"}).json["object"] == "list"


def test_there_are_no_items_before_the_end_nor_of_other_jobs(world: World) -> None:
    live = asked(world).json["id"]
    assert world.get(f"/jobs/{live}/items").status_code == 409
    world.http.post(f"{API}/jobs/{live}/cancel")
    text = world.write(world.model(text="the wind").id, prompt="the").json["id"]
    for job_id in (live, text, new_id("job")):
        assert world.get(f"/jobs/{job_id}/items").status_code == 404
    job_id = written(world, ITEMS)
    path = world.services.volume.jobs.items(job_id)
    path.write_text('["a",1,null]\n["b"\n')
    assert "damaged" in world.get(f"/jobs/{job_id}/items").json["detail"]
    path.unlink()
    for form in ("json", "csv", "text"):
        assert world.get(f"/jobs/{job_id}/items?format={form}").status_code == 404
