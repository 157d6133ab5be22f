"""Corpora are renamed, tagged, filtered and joined, and their characters are counted; a text itself never changes."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.volume import Volume
from shared.volume.files import remove_tree
from tests.web.world import API, BOOK, World, pointers, settings_of

CORPUS = "cor_" + "0" * 26


def join(world: World, *corpus_ids: str, **fields: Any) -> Any:
    return world.http.post(f"{API}/corpora/join", json={"corpus_ids": corpus_ids, **fields})


def names(begin: str, separator: str = "\n", count: int = 40) -> str:
    return separator.join(f"{begin} {number}" for number in range(count))


def test_a_name_and_metadata_can_be_changed_and_nothing_else(world: World) -> None:
    corpus_id = world.corpus()
    path = f"{API}/corpora/{corpus_id}"
    before = world.get(f"/corpora/{corpus_id}").json
    changed = world.http.patch(path, json={"name": " New ", "metadata": {"language": "en"}}).json
    assert changed == before | {"name": "New", "metadata": {"language": "en"}}
    assert world.http.patch(path, json={"metadata": {}}).json == before | {"name": "New"}
    assert world.get(f"/corpora/{corpus_id}/text").text == BOOK
    assert world.corpus(BOOK) == corpus_id, "the same bytes are still the same corpus"
    for body, place in (
        ({"chars": 1}, "/chars"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"metadata": {"a": "b\0"}}, "/metadata"),
        ({"metadata": {str(number): "" for number in range(17)}}, "/metadata"),
    ):
        answer = world.http.patch(path, json=body)
        assert (answer.status_code, pointers(answer)) == (422, [place])
    assert world.http.patch(f"{API}/corpora/{CORPUS}", json={"name": "x"}).status_code == 404


def test_of_two_web_processes_that_change_one_version_one_is_refused(world: World, redis_url: str) -> None:
    other = World(settings_of(redis_url, world.services.volume.folder))
    corpus_id, model_id = world.corpus(), world.model().id
    for path in (f"{API}/corpora/{corpus_id}", f"{API}/models/{model_id}"):
        for _ in range(2):
            etag = world.http.get(path).headers["ETag"]

            def change(name: str, path: str = path, etag: str = etag) -> int:
                app = (world if name < "c" else other).app
                answer = app.test_client().patch(path, json={"name": f"{name} {etag}"}, headers={"If-Match": etag})
                return answer.status_code

            with ThreadPoolExecutor(4) as threads:
                assert sorted(threads.map(change, "abcd")) == [200, 412, 412, 412]
    other.close()


def test_what_is_deleted_during_a_change_stays_deleted(world: World) -> None:
    corpora = world.services.volume.corpora
    corpus_id = world.corpus()

    def delete() -> None:
        remove_tree(corpora.folder(corpus_id))

    world.services.volume.corpora.edit = lambda *args, **options: type(corpora).edit(  # type: ignore[method-assign]
        corpora, *args, **options | {"check": delete}
    )
    answer = world.http.patch(f"{API}/corpora/{corpus_id}", json={"name": "x"})
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert world.get("/corpora").json["data"] == []
    assert world.http.delete(f"{API}/corpora/{corpus_id}").status_code == 404


def test_lists_are_filtered(world: World) -> None:
    prose, listed, tagged = (
        world.corpus(),
        world.corpus(names("item"), "Items"),
        world.corpus("Über alles " * 99, "Über"),
    )
    world.http.patch(f"{API}/corpora/{tagged}", json={"metadata": {"language": "de", "note": "a=b"}})
    for query, found in {
        "name=REED": [prose],
        "name=über": [tagged],
        "name=e": [tagged, listed, prose],
        "name=nothing": [],
        "metadata=language=de": [tagged],
        "metadata=note=a=b": [tagged],
        "metadata=language=en": [],
        "metadata=other=": [],
        "kind=list": [listed],
        "kind=prose": [tagged, prose],
        "kind=prose&name=reed&order=asc": [prose],
    }.items():
        page = world.get(f"/corpora?{query}").json
        assert ([one["id"] for one in page["data"]], page["has_more"]) == (found, False), query
    page = world.get("/corpora?kind=prose&limit=1").json
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([tagged], True)
    page = world.get(f"/corpora?kind=prose&limit=1&after={tagged}").json
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([prose], False)
    for query, place in {"metadata=de": "/metadata", "kind=verse": "/kind", f"name={'x' * 201}": "/name"}.items():
        assert pointers(world.get(f"/corpora?{query}")) == [place]


def test_models_and_jobs_of_a_corpus_are_listed(world: World) -> None:
    corpus_id, other = world.corpus(), world.corpus("Another text. " * 200)
    model = world.model(corpus_id)
    world.model(other)
    trained, written = world.train(corpus_id).json["id"], world.write(model.id).json["id"]
    world.train(other)
    assert [one["id"] for one in world.get(f"/models?corpus_id={corpus_id}").json["data"]] == [model.id]
    assert [one["id"] for one in world.get(f"/jobs?corpus_id={corpus_id}").json["data"]] == [written, trained]
    world.claim(trained)
    listed = world.get(f"/jobs?corpus_id={corpus_id}&type=train&status=running").json["data"]
    assert [one["id"] for one in listed] == [trained]
    assert world.get(f"/jobs?corpus_id={CORPUS}").json["data"] == []
    assert pointers(world.get(f"/jobs?corpus_id={corpus_id}&model_id={model.id}")) == ["/corpus_id"]
    assert pointers(world.get("/models?corpus_id=x")) == ["/corpus_id"]


def test_texts_are_joined_with_what_separates_them(world: World) -> None:
    first, second = world.corpus("\ufeffOne.\n", "A"), world.corpus("\ufeffTwo.", "B")
    joined = join(world, first, second)
    assert joined.status_code == 201
    corpus = joined.json
    assert joined.headers["Location"] == f"{API}/corpora/{corpus['id']}"
    assert (corpus["name"], corpus["parent_ids"], corpus["items"]) == ("A and 1 more", [first, second], None)
    assert world.get(f"/corpora/{corpus['id']}/text").text == "One.\n\nTwo."
    assert world.get(f"/corpora/{first}/text").text == "\ufeffOne.\n"
    again = join(world, first, second, name="Other")
    assert (again.status_code, again.json) == (200, corpus)
    assert world.corpus("One.\n\nTwo.") == corpus["id"], "the same bytes are the same corpus"
    for separator, text in (("", "Two.One.\n"), ("\n* * *\r\n", "Two.\n* * *\nOne.\n")):
        other = join(world, second, first, separator=separator, name="Back").json
        assert (other["name"], world.get(f"/corpora/{other['id']}/text").text) == ("Back", text)


def test_lists_are_joined_with_lists_like_them(world: World) -> None:
    lines, more, prose = world.corpus(names("a"), "A"), world.corpus(names("b"), "B"), world.corpus()
    blocks = world.corpus(names("c", "\n%\n"), "C")
    joined = join(world, lines, more).json
    assert joined["items"] == {"separator": "\n", "count": 80, "unique": 80, "longest": 4}
    for other, words in ((prose, "one is a list and one isn't"), (blocks, r"by '\n' and by '\n%\n'")):
        refused = join(world, lines, more, other)
        assert (refused.status_code, pointers(refused)) == (422, ["/corpus_ids/2"])
        assert words in refused.json["detail"]


def test_what_can_not_be_joined_leaves_nothing(world: World, redis_url: str) -> None:
    small = World(settings_of(redis_url, world.services.volume.folder, CHARLOOM_MAX_CORPUS_BYTES="4000"))
    first, second = small.corpus(), small.corpus(BOOK + "!")
    before = small.traces()
    for ids, fields, status, place in (
        ((first, CORPUS), {}, 422, ["/corpus_ids/1"]),
        (("../x", second), {}, 422, ["/corpus_ids/0"]),
        ((first, first), {}, 422, ["/corpus_ids/1"]),
        ((first,), {}, 422, ["/corpus_ids"]),
        ((first, second), {"separator": "x" * 21}, 422, ["/separator"]),
        ((first, second), {"separator": "\0"}, 422, ["/separator"]),
        ((first, second), {"name": ""}, 422, ["/name"]),
        ((first, second), {}, 413, []),
    ):
        refused = join(small, *ids, **fields)
        assert (refused.status_code, pointers(refused)) == (status, place), refused.text
    assert "4,779 bytes together, but at most 4,000" in join(small, first, second).json["detail"]
    assert small.traces() == before
    small.close()


@pytest.mark.parametrize(
    "text", [BOOK, "".join(map(chr, range(0x370, 0x600))) * 3 + "🙂🙂e\n"], ids=["prose", "scripts"]
)
def test_characters_are_counted_once_and_kept_with_the_text(world: World, text: str) -> None:
    corpus_id = world.corpus(text)
    answer = world.get(f"/corpora/{corpus_id}/vocabulary")
    stored = world.get(f"/corpora/{corpus_id}/text").data.decode()
    found = [(one["character"], one["count"]) for one in answer.json["data"]]
    assert dict(found) == Counter(stored)
    assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))
    kept = world.services.volume.corpora.folder(corpus_id) / "vocabulary.json"
    assert "counts" in kept.read_text("utf-8")
    again = world.get(f"/corpora/{corpus_id}/vocabulary", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    kept.write_text('{"characters": "ab", "counts": [1]}')
    assert world.get(f"/corpora/{corpus_id}/vocabulary").json == answer.json
    assert world.get(f"/corpora/{CORPUS}/vocabulary").status_code == 404


def test_a_page_of_a_volume_from_before_is_read(world: World) -> None:
    corpus_id = world.corpus()
    path = Volume(world.services.volume.folder).corpora.folder(corpus_id) / "meta.json"
    path.write_text(
        path.read_text("utf-8").replace('"metadata": {},', '"later": [1],').replace('"parent_ids": []', '"z": 1')
    )
    corpus = world.get(f"/corpora/{corpus_id}").json
    assert (corpus["metadata"], corpus["parent_ids"]) == ({}, [])
    world.http.patch(f"{API}/corpora/{corpus_id}", json={"metadata": {"a": "b"}})
    assert '"later": [' in path.read_text("utf-8"), "what a newer version has added stays"
