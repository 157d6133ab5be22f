"""The pages of texts by HTTP alone: found, read, renamed, tagged, joined and deleted."""

from tests.web.pages.test_pages import post, text_of, token_of
from tests.web.world import BOOK, World


def test_texts_are_listed_and_found(world: World) -> None:
    prose, names = world.corpus(), world.corpus("".join(f"name {n}\n" for n in range(40)), "Names")
    world.services.volume.corpora.edit(prose, metadata={"language": "en"})
    model = world.model(prose, name="Reed model")
    page = world.http.get("/texts").text
    assert page.index(names) < page.index(prose), "newest first"
    for said in (f'href="/models/{model.id}"', "language=en", "The wind was in the reeds."):
        assert said in page, said
    for query, found in {
        "kind=list": [names],
        "name=REED": [prose],
        "metadata=language%3Den": [prose],
        "name=x": [],
        f"after={names}": [prose],
    }.items():
        page = world.http.get(f"/texts?{query}").text
        assert [one for one in (prose, names) if f"/texts/{one}" in page] == found, query
    for number in range(20):
        world.corpus(f"Text {number}. " * 200, f"Text {number}")
    assert 'rel="next"' in world.http.get("/texts").text
    assert "kind=prose&amp;after=cor_" in world.http.get("/texts?kind=prose").text


def test_a_text_is_shown_with_all_that_is_known_of_it(world: World) -> None:
    corpus_id = world.corpus(BOOK + "Æ" * 4 + "<b>\n")
    model = world.model(corpus_id)
    job_id = world.train(corpus_id).json["id"]
    page = world.http.get(f"/texts/{corpus_id}")
    for said in (
        f'href="/?corpus_id={corpus_id}#recipes"',
        f'href="/api/v1/corpora/{corpus_id}/text" download="Reeds.txt"',
        f"/models/{model.id}",
        f"/jobs/{job_id}",
        "latin capital letter ae",
    ):
        assert said in page.text, said
    assert "Æ 4 0.167 % U+00C6 latin capital letter ae rare" in text_of(page).replace("\xa0", " ")
    end = world.http.get(f"/texts/{corpus_id}?at=999999").text
    assert "ÆÆÆÆ&lt;b&gt;" in end
    assert "The wind was in the reeds.\nIt sang" not in end.partition("<pre")[2][:120]
    for wrong in ("-1", "x", "1e3", "9" * 50, "٣"):
        assert world.http.get(f"/texts/{corpus_id}?at={wrong}").status_code == 200
    assert f"/models/{model.id}" in world.http.get(f"/models?corpus_id={corpus_id}").text
    assert f"/jobs/{job_id}" in world.http.get(f"/jobs?corpus_id={corpus_id}").text


def test_the_items_of_a_list_are_shown(world: World) -> None:
    corpus_id = world.corpus("".join(f"name <{n}>\n" for n in range(250)))
    page = world.http.get(f"/texts/{corpus_id}?item=200").text
    assert "name &lt;200&gt;" in page
    assert "name &lt;199&gt;</li>" not in page
    assert 'start="201"' in page
    assert "?item=100#items" in page


def test_a_text_is_renamed_and_tagged(world: World) -> None:
    corpus_id = world.corpus()
    path = f"/texts/{corpus_id}"
    sent = post(world, f"{path}/edit", name=" New ", metadata="language = en\r\n\r\nchecked\r\nformula=a=b")
    assert (sent.status_code, sent.location) == (303, path)
    found = world.get(f"/corpora/{corpus_id}").json
    assert (found["name"], found["metadata"]) == ("New", {"language": "en", "checked": "", "formula": "a=b"})
    assert "language=en\nchecked\nformula=a=b</textarea>" in world.http.get(path).text
    for fields, said in (
        ({"name": ""}, "name is empty"),
        ({"name": "x", "metadata": "=en"}, "metadata"),
        ({"name": "x", "metadata": "k=" + "x" * 513}, "at most 512"),
    ):
        refused = post(world, f"{path}/edit", **fields)
        assert refused.status_code == 422
        assert said in text_of(refused)
    assert world.get(f"/corpora/{corpus_id}").json == found
    assert world.http.get(f"{path}/edit").location == path


def test_selected_texts_are_joined(world: World) -> None:
    first, second = world.corpus(name="First"), world.corpus("Another text.\n" * 100, "Second")
    token = token_of(world, "/texts")
    sent = world.http.post("/texts/join", data={"csrf_token": token, "id": [second, first], "name": "Both"})
    assert sent.status_code == 303
    page = world.http.get(sent.location).text
    assert f"/texts/{first}" in page.partition("Joined from")[2]
    assert world.get(f"/corpora/{sent.location.rpartition('/')[2]}").json["parent_ids"] == [first, second]
    for ids in ([], [first], [first, "cor_x"]):
        refused = world.http.post("/texts/join", data={"csrf_token": token, "id": ids})
        assert refused.status_code == 422
        assert "Please correct this" in text_of(refused)


def test_a_text_is_deleted_unless_a_job_uses_it(world: World) -> None:
    corpus_id = world.corpus()
    job_id = world.train(corpus_id).json["id"]
    refused = post(world, f"/texts/{corpus_id}/delete")
    assert refused.status_code == 409
    assert f"is used by {job_id}, which has not ended" in text_of(refused)
    world.http.post(f"/api/v1/jobs/{job_id}/cancel")
    assert world.http.get(f"/texts/{corpus_id}/findings").status_code == 200  # queues an examination
    deleted = post(world, f"/texts/{corpus_id}/delete")
    assert (deleted.status_code, deleted.location) == (303, "/texts")
    assert world.http.get(f"/texts/{corpus_id}").status_code == 404
    assert post(world, f"/texts/{corpus_id}/delete").status_code == 404
