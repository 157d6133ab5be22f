"""Conditional, range and negotiated requests, each as RFC 9110 has it; and one rule for slashes."""

from typing import Any

import pytest

from shared.jobs.events import EventType
from tests.web.world import API, World

#: 13 bytes.
TEXT = b"Hello, world\n"
OLD, LATE = "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"

#: Headers of a GET of TEXT, where {etag} is its ETag, {time} its Last-Modified; status and body of the response.
FILE: dict[str, tuple[dict[str, str], int, bytes]] = {
    "a range": ({"Range": "bytes=0-4"}, 206, b"Hello"),
    "a range in upper case": ({"Range": "BYTES=0-4"}, 206, b"Hello"),
    "an open range": ({"Range": "bytes=7-"}, 206, b"world\n"),
    "a range past the end": ({"Range": "bytes=7-999"}, 206, b"world\n"),
    "a suffix": ({"Range": "bytes=-6"}, 206, b"world\n"),
    "a suffix longer than the file": ({"Range": "bytes=-999"}, 206, TEXT),
    "a range that begins at the end": ({"Range": "bytes=13-"}, 416, b""),
    "no suffix": ({"Range": "bytes=-0"}, 416, b""),
    "an unknown unit": ({"Range": "lines=0-1"}, 200, TEXT),
    "an empty range": ({"Range": ""}, 200, TEXT),
    "no range": ({"Range": "bytes="}, 200, TEXT),
    "a backward range": ({"Range": "bytes=4-0"}, 200, TEXT),
    "no number": ({"Range": "bytes=a-b"}, 200, TEXT),
    "a number of thousands of digits": ({"Range": f"bytes={'9' * 5000}-"}, 200, TEXT),
    "several ranges": ({"Range": "bytes=0-0,5-6"}, 200, TEXT),
    "If-Range, this one": ({"Range": "bytes=0-4", "If-Range": "{etag}"}, 206, b"Hello"),
    "If-Range, weak": ({"Range": "bytes=0-4", "If-Range": "W/{etag}"}, 200, TEXT),
    "If-Range, another": ({"Range": "bytes=0-4", "If-Range": '"other"'}, 200, TEXT),
    "If-Range, its date": ({"Range": "bytes=0-4", "If-Range": "{time}"}, 206, b"Hello"),
    "If-Range, a later date": ({"Range": "bytes=0-4", "If-Range": LATE}, 200, TEXT),
    "If-Range, no date": ({"Range": "bytes=0-4", "If-Range": "yesterday"}, 200, TEXT),
    "If-None-Match, this one": ({"If-None-Match": "{etag}"}, 304, b""),
    "If-None-Match, weak": ({"If-None-Match": "W/{etag}"}, 304, b""),
    "If-None-Match, one of several": ({"If-None-Match": '"a", {etag}'}, 304, b""),
    "If-None-Match, any": ({"If-None-Match": "*"}, 304, b""),
    "If-None-Match, another": ({"If-None-Match": '"other"'}, 200, TEXT),
    "If-None-Match, empty": ({"If-None-Match": '""'}, 200, TEXT),
    "If-Match, empty": ({"If-Match": '""'}, 412, b""),
    "If-None-Match before a range": ({"If-None-Match": "{etag}", "Range": "bytes=0-4"}, 304, b""),
    "If-None-Match before a wrong range": ({"If-None-Match": "{etag}", "Range": "bytes=13-"}, 304, b""),
    "If-None-Match, another, before a date": ({"If-None-Match": '"other"', "If-Modified-Since": LATE}, 200, TEXT),
    "If-Modified-Since, its date": ({"If-Modified-Since": "{time}"}, 304, b""),
    "If-Modified-Since, an earlier date": ({"If-Modified-Since": OLD}, 200, TEXT),
    "If-Modified-Since, no date": ({"If-Modified-Since": "yesterday"}, 200, TEXT),
    "If-Match, this one": ({"If-Match": "{etag}"}, 200, TEXT),
    "If-Match, any": ({"If-Match": "*"}, 200, TEXT),
    "If-Match, weak": ({"If-Match": "W/{etag}"}, 412, b""),
    "If-Match, another": ({"If-Match": '"other"'}, 412, b""),
    "If-Match before If-None-Match": ({"If-Match": '"other"', "If-None-Match": "{etag}"}, 412, b""),
    "If-Match before a date": ({"If-Match": "{etag}", "If-Unmodified-Since": OLD}, 200, TEXT),
    "If-Unmodified-Since, its date": ({"If-Unmodified-Since": "{time}"}, 200, TEXT),
    "If-Unmodified-Since, an earlier date": ({"If-Unmodified-Since": OLD}, 412, b""),
}


def filled(headers: dict[str, str], whole: Any) -> dict[str, str]:
    known = {"etag": whole.headers["ETag"], "time": whole.headers.get("Last-Modified", "")}
    return {name: value.format(**known) for name, value in headers.items()}


@pytest.fixture
def text(world: World) -> str:
    return f"{API}/corpora/{world.corpus(TEXT)}/text"


def test_a_file_is_sent_as_the_conditions_of_the_request_say(world: World, text: str) -> None:
    whole = world.http.get(text, buffered=True)
    assert (whole.data, whole.headers["Accept-Ranges"]) == (TEXT, "bytes")
    for name, (headers, status, body) in FILE.items():
        answer = world.http.get(text, headers=filled(headers, whole), buffered=True)
        assert answer.status_code == status, name
        assert status >= 400 or answer.data == body, name
        if status == 206:
            start = TEXT.index(body)
            assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(TEXT)}", name
        if status == 416:
            assert answer.headers["Content-Range"] == f"bytes */{len(TEXT)}", name
        if status in (206, 304):
            assert answer.headers["ETag"] == whole.headers["ETag"], name
        if status == 304:
            assert "Content-Type" not in answer.headers, name
        if status >= 400:
            assert answer.content_type == "application/problem+json", name


def test_a_head_knows_conditions_but_no_ranges(world: World, text: str) -> None:
    whole = world.http.get(text, buffered=True)
    ranged = world.http.head(text, headers={"Range": "bytes=0-4"}, buffered=True)
    assert (ranged.status_code, ranged.headers["Content-Length"]) == (200, str(len(TEXT)))
    same = world.http.head(text, headers={"If-None-Match": whole.headers["ETag"]}, buffered=True)
    assert same.status_code == 304


@pytest.mark.parametrize("tag", ["{etag}", "W/{etag}", '"a", W/{etag}', "*"])
@pytest.mark.parametrize("kind", ["a live job", "an ended job", "a model", "a corpus", "the document"])
def test_what_has_not_changed_is_not_sent_again(world: World, kind: str, tag: str) -> None:
    corpus_id = world.corpus()
    path = "/api/openapi.json"
    if kind.endswith("job"):
        job_id = world.train(corpus_id).json["id"]
        path = f"{API}/jobs/{job_id}"
        if kind == "an ended job":
            world.fail(world.claim(job_id))
            world.http.get(path)
    elif kind == "a corpus":
        path = f"{API}/corpora/{corpus_id}"
    elif kind == "a model":
        path = f"{API}/models/{world.model(corpus_id).id}"
    whole = world.http.get(path)
    answer = world.http.get(path, headers=filled({"If-None-Match": tag}, whole))
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == whole.headers["ETag"]
    assert world.http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("kind", ["a model", "a corpus"])
def test_a_thing_is_changed_only_in_the_version_that_was_meant(world: World, kind: str) -> None:
    path = f"{API}/models/{world.model().id}" if kind == "a model" else f"{API}/corpora/{world.corpus()}"
    first = world.http.get(path).headers["ETag"]

    def rename(name: str, **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return world.http.patch(path, json={"name": name}, headers=sent)

    renamed = rename("One", If_Match=first)
    assert (renamed.status_code, renamed.headers["ETag"]) == (200, world.http.get(path).headers["ETag"])
    assert renamed.headers["ETag"] != first
    for wrong in (first, f"W/{renamed.headers['ETag']}", '"other"'):
        refused = rename("Two", If_Match=wrong)
        assert (refused.status_code, refused.json["code"]) == (412, "precondition_failed")
        assert world.http.delete(path, headers={"If-Match": wrong}).status_code == 412
    assert rename("Two", If_None_Match="*").status_code == 412
    assert world.http.get(path).json["name"] == "One"
    assert rename("Two", If_Match="*").status_code == 200
    assert rename("Three").status_code == 200, "without a condition the last one wins"
    compressed = f'{world.http.get(path).headers["ETag"][:-1]}:gzip"'
    assert world.http.delete(path, headers={"If-Match": compressed}).status_code == 204


#: What is accepted, and whether that is a stream of events, or a table of losses.
ACCEPT: dict[str | None, bool] = {
    None: False,
    "*/*": False,
    "application/json": False,
    "text/html": False,
    "OTHER": True,
    "other": True,
    "other, */*;q=0.1": True,
    "application/json;q=0.5, other": True,
    "other;q=0, application/json": False,
    "other;q=0, */*": False,
    "other;q=0.1, application/json": False,
    "text/*": True,
}


@pytest.mark.parametrize("accepted", ACCEPT, ids=str)
def test_the_form_of_a_response_is_negotiated(world: World, accepted: str | None) -> None:
    job_id = world.train(world.corpus()).json["id"]
    world.record(world.claim(job_id), (EventType.LOG, {"message": "begun"}))
    for path, kind in (("events", "text/event-stream"), ("metrics", "text/csv")):
        upper = kind.upper()
        headers = {} if accepted is None else {"Accept": accepted.replace("OTHER", upper).replace("other", kind)}
        answer = world.http.get(f"{API}/jobs/{job_id}/{path}", headers=headers)
        assert answer.mimetype == (kind if ACCEPT[accepted] else "application/json"), path
        assert "Accept" in answer.headers["Vary"]
        answer.close()


@pytest.mark.parametrize("path", ["//jobs", "/jobs/", "/jobs//", "//jobs/"])
def test_an_address_is_exact_and_a_near_one_is_named(world: World, path: str) -> None:
    answer = world.http.get(API + path)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert f"at {API}/jobs:" in answer.json["detail"]
    assert "at /jobs:" in world.http.get("/jobs/").text
    assert "slash" not in world.http.get(f"{API}//nothing/").json["detail"]


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "identity, gzip"])
def test_a_compressed_body_is_refused(world: World, coding: str) -> None:
    for path, kind in (("train-jobs", "application/json"), ("corpora", "text/plain")):
        answer = world.http.post(
            f"{API}/{path}", data=b"\x1f\x8b", content_type=kind, headers={"Content-Encoding": coding}
        )
        assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")
        assert answer.headers["Accept-Encoding"] == "identity"
    assert (
        world.http.post(
            f"{API}/corpora", data=TEXT, content_type="text/plain", headers={"Content-Encoding": "Identity"}
        ).status_code
        == 201
    )
