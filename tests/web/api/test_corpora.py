"""Texts come in whole or not at all."""

import io
from typing import Any

import pytest

from tests.web.world import API, BOOK, World, pointers, settings_of

FIELDS = {
    "id",
    "object",
    "name",
    "bytes",
    "chars",
    "lines",
    "vocab_size",
    "vocab_size_lowercase",
    "encoding",
    "sha256",
    "preview",
    "created_at",
    "column",
    "items",
    "metadata",
    "parent_id",
    "parent_ids",
    "owner",
    "source",
}

CUT_SHORT = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhello\r\n'


def test_a_file_becomes_a_corpus_and_the_same_bytes_again_are_the_same_corpus(world: World) -> None:
    answer = world.http.post(f"{API}/corpora", data={"file": (io.BytesIO(BOOK.encode()), "/texts/reeds.txt")})
    assert answer.status_code == 201
    assert set(answer.json) == FIELDS
    assert answer.json["name"] == "reeds"
    assert answer.json["chars"] == len(BOOK)
    assert answer.json["vocab_size"] == len(set(BOOK))
    assert answer.headers["Location"] == f"{API}/corpora/{answer.json['id']}"
    again = world.http.post(f"{API}/corpora?name=Other", data=BOOK, content_type="text/plain; charset=utf-8")
    assert again.status_code == 200
    assert again.json == answer.json
    assert again.headers["Location"] == answer.headers["Location"]


def test_a_corpus_can_be_read_back_listed_and_deleted(world: World) -> None:
    corpus_id = world.corpus("\ufeffFirst line\r\nsecond ünd third\r", name="A%20b")
    text = world.get(f"/corpora/{corpus_id}/text")
    assert text.content_type == "text/plain; charset=utf-8"
    assert text.text == "\ufeffFirst line\nsecond ünd third\n"
    assert world.get(f"/corpora/{corpus_id}").json["name"] == "A b"
    other = world.corpus()
    page = world.get("/corpora?limit=1").json
    assert (page["object"], page["has_more"], page["first_id"], page["last_id"]) == ("list", True, other, other)
    rest = world.get(f"/corpora?limit=1&after={other}").json
    assert [one["id"] for one in rest["data"]] == [corpus_id]
    assert not rest["has_more"]
    assert world.http.delete(f"{API}/corpora/{other}").status_code == 204
    assert world.http.delete(f"{API}/corpora/{other}").status_code == 404
    assert [one["id"] for one in world.get("/corpora?order=asc").json["data"]] == [corpus_id]


def test_a_corpus_that_a_live_job_uses_can_not_be_deleted(world: World) -> None:
    corpus_id = world.corpus()
    job_id = world.train(corpus_id).json["id"]
    refused = world.http.delete(f"{API}/corpora/{corpus_id}")
    assert refused.status_code == 409
    assert job_id in refused.json["detail"]
    world.http.post(f"{API}/jobs/{job_id}/cancel")
    gone = world.http.delete(f"{API}/corpora/{corpus_id}")
    assert (gone.status_code, gone.data, gone.content_type) == (204, b"", None)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "text/plain", 422),
        (b" \n\t\r\n ", "text/plain", 422),
        (b"abc\0def", "text/plain", 422),
        (bytes(range(256)) * 10, "text/plain", 422),
        (b"\x81\xfe\x93 \xff\xfe\xfa\x80" * 50, "text/plain", 422),
        (b"\xff\xfeabc", "text/plain", 422),
        (b"x" * 5001, "text/plain", 413),
        (b"hello", "text/plain; charset=utf-16", 415),
        (b"hello", "application/octet-stream", 415),
        (b"hello", "", 415),
        (b"hello", "multipart/form-data; boundary=x", 400),
        (CUT_SHORT, "multipart/form-data; boundary=x", 400),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422),
    ],
)
def test_what_is_no_text_leaves_nothing(redis_url: str, world: World, body: bytes, kind: str, status: int) -> None:
    small = World(settings_of(redis_url, world.services.volume.folder, CHARLOOM_MAX_CORPUS_BYTES="5000"))
    before = small.traces()
    answer = small.http.post(f"{API}/corpora", data=body, content_type=kind)
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert small.traces() == before
    small.close()


def test_a_text_is_taken_in_the_encoding_that_is_named(world: World) -> None:
    sent = ("Все счастливые семьи похожи друг на друга. " * 30).encode("koi8-r")
    refused = world.http.post(f"{API}/corpora", data={"file": (io.BytesIO(sent), "a.txt")})
    assert (refused.status_code, pointers(refused)) == (422, ["/file"])
    assert "perhaps koi8-r" in refused.json["detail"]
    assert pointers(world.http.post(f"{API}/corpora?encoding=rot13", data=sent, content_type="text/plain")) == [
        "/encoding"
    ]
    answer = world.http.post(f"{API}/corpora?encoding=KOI8-R", data={"file": (io.BytesIO(sent), "a.txt")})
    assert (answer.status_code, answer.json["encoding"], answer.json["preview"][:3]) == (201, "koi8-r", "Все")
    again = world.http.post(f"{API}/corpora?encoding=koi8_r", data=sent, content_type="text/plain")
    assert (again.status_code, again.json["id"]) == (200, answer.json["id"])


def test_strange_fields_and_names_are_refused(world: World) -> None:
    file = (io.BytesIO(BOOK.encode()), "a.txt")
    assert pointers(world.http.post(f"{API}/corpora", data={"file": file, "nmae": "x"})) == ["/nmae"]
    file = (io.BytesIO(BOOK.encode()), "a.txt")
    assert pointers(world.http.post(f"{API}/corpora", data={"file": file, "name": "x" * 201})) == ["/name"]
    file = (io.BytesIO(BOOK.encode()), "a.txt")
    assert pointers(world.http.post(f"{API}/corpora", data={"file": file, "name": "a\0b"})) == ["/name"]
    long = world.http.post(f"{API}/corpora?name={'x' * 201}", data=BOOK, content_type="text/plain")
    assert pointers(long) == ["/name"]
    assert world.traces()[1] == frozenset()


def test_a_name_that_can_not_be_shown_is_not_taken_from_the_file(world: World) -> None:
    answer = world.http.post(f"{API}/corpora", data={"file": (io.BytesIO(BOOK.encode()), "../../\x01.txt")})
    assert answer.json["name"] == "Untitled"


def test_a_column_of_a_table_is_a_list(world: World) -> None:
    table = "id,name\n" + "".join(f"{number},name {number % 40}\n" for number in range(200))

    def send(query: str, filename: str = "names.csv") -> Any:
        return world.http.post(f"{API}/corpora{query}", data={"file": (io.BytesIO(table.encode()), filename)})

    corpus = send("?column=name").json
    assert corpus["column"] == {"name": "name", "format": "csv"}
    assert corpus["items"] == {"separator": "\n", "count": 200, "unique": 40, "longest": 7}
    assert world.get(f"/corpora/{corpus['id']}/text").text.startswith("name 0\nname 1\n")
    assert send("?column=name&format=csv", "names").json["id"] == corpus["id"]
    for query, filename, pointer in [
        ("?column=surname", "a.csv", "/column"),
        ("?column=name", "names.txt", "/column"),
        ("?format=csv", "a.csv", "/column"),
        ("?column=name&format=xls", "a.csv", "/format"),
    ]:
        refused = send(query, filename)
        assert (refused.status_code, pointers(refused)) == (422, [pointer])
    assert "The columns are 'id', 'name'." in send("?column=surname").json["detail"]


def test_a_training_on_a_list_records_its_separator(world: World) -> None:
    names = world.corpus("".join(f"name {number % 400}\n" for number in range(500)))
    prose = world.corpus()
    cases: list[tuple[str, dict[str, Any], str | None]] = [
        (names, {}, "\n"),
        (names, {"items": None}, None),
        (names, {"items": {"separator": "e"}}, "e"),
        (prose, {}, None),
        (prose, {"items": {"separator": "\n"}}, "\n"),
    ]
    for corpus_id, given, separator in cases:
        params = world.train(corpus_id, **given).json["params"]
        assert params["items"] == (None if separator is None else {"separator": separator})
    for wrong in ({"separator": ""}, {"separator": "x" * 21}, {"separator": "never there"}, {}, "\n"):
        refused = world.train(names, items=wrong)
        assert refused.status_code == 422
        assert next(iter(pointers(refused))).startswith("/items")
    assert "a single item" in world.train(names, items={"separator": "|"}).json["detail"]
    assert world.train(names, recipe="classic", items=None).status_code == 422
