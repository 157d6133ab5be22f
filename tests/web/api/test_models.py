"""Models: listed, renamed, downloaded whole and in parts, imported, deleted."""

import hashlib
import io

import pytest

from tests.web.world import API, World, pointers, settings_of

BASELINES = {"unigram": 3.0, "ngram": {"order": 6, "loss": 1.625}, "xz": 1.875}
MODEL = "mod_" + "0" * 26
FIELDS = {
    "baselines",
    "id",
    "object",
    "name",
    "recipe",
    "job_id",
    "base",
    "starting_point",
    "owner",
    "parent_model_id",
    "corpus_id",
    "params",
    "items",
    "vocab_size",
    "vocabulary",
    "parameters",
    "losses",
    "formats",
    "bytes",
    "created_at",
    "metadata",
}


def test_a_model_is_shown_and_listed(world: World) -> None:
    first = world.model(recipe="classic", formats=("bundle", "pth"))
    second = world.model(name="Second")
    shown = world.get(f"/models/{first.id}").json
    assert set(shown) == FIELDS
    assert (shown["object"], shown["formats"]) == ("model", ["bundle", "pth"])
    assert (shown["vocab_size"], shown["vocabulary"]) == (len(first.vocabulary), first.vocabulary)
    assert shown["losses"] == {"train": 1.25, "validation": 1.5, "best_epoch": 3}
    assert shown["baselines"] == BASELINES
    assert shown["bytes"] == first.files["bundle"].bytes
    page = world.get("/models?limit=1").json
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([second.id], True)
    assert [one["id"] for one in world.get(f"/models?after={second.id}").json["data"]] == [first.id]


def test_a_large_vocabulary_is_whole_alone_and_bounded_in_a_list_and_on_the_pages(world: World) -> None:
    characters = "".join(chr(code) for code in range(0x20, 0x8000))
    model = world.model(text=characters, lowercase=False)
    assert len(world.get(f"/models/{model.id}").json["vocabulary"]) == len(model.vocabulary) > 30_000
    (listed,) = world.get("/models").json["data"]
    assert listed["vocabulary"] == model.vocabulary[:1000]
    page = world.http.get(f"/models/{model.id}").text
    assert f"and {len(model.vocabulary) - 1000:,} more" in page
    assert len(page) < 200_000


def test_a_name_and_metadata_can_be_changed_and_nothing_else(world: World) -> None:
    model = world.model()
    path = f"{API}/models/{model.id}"
    changed = world.http.patch(path, json={"name": " New ", "metadata": {"a": "b"}}).json
    assert (changed["name"], changed["metadata"]) == ("New", {"a": "b"})
    assert world.http.patch(path, json={"metadata": {}}).json["name"] == "New"
    assert world.get(f"/models/{model.id}").json["metadata"] == {}
    for body, place in (({"recipe": "classic"}, "/recipe"), ({"name": ""}, "/name"), ({"name": "a\0"}, "/name")):
        answer = world.http.patch(path, json=body)
        assert (answer.status_code, pointers(answer)) == (422, [place])
    assert world.http.patch(f"{API}/models/{MODEL}", json={"name": "x"}).status_code == 404


def test_a_download_is_whole_and_named_and_knows_its_hash(world: World) -> None:
    model = world.model(name="Über Reeds/1", recipe="classic", formats=("bundle", "pth"))
    for query, kind, ending in (("", "bundle", "zip"), ("?format=pth", "pth", "pth")):
        answer = world.get(f"/models/{model.id}/download{query}")
        assert hashlib.sha256(answer.data).hexdigest() == model.files[kind].sha256
        assert answer.headers["ETag"] == f'"{model.files[kind].sha256}"'
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert f"Reeds-1-{model.id[-6:]}.{ending}" in answer.headers["Content-Disposition"]
        head = world.http.head(f"{API}/models/{model.id}/download{query}", buffered=True)
        assert (head.data, head.content_length) == (b"", len(answer.data))


def test_a_download_goes_on_where_it_was_cut(world: World) -> None:
    model = world.model()
    path = f"/models/{model.id}/download"
    whole = world.get(path).data
    etag = f'"{model.files["bundle"].sha256}"'
    part = world.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.data) == (206, whole[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert world.get(path, headers={"Range": "bytes=100-", "If-Range": etag}).data == whole[100:]
    assert world.get(path, headers={"Range": "bytes=100-", "If-Range": '"other"'}).data == whole
    assert world.get(path, headers={"If-None-Match": etag}).status_code == 304
    beyond = world.get(path, headers={"Range": "bytes=99999999-"})
    assert (beyond.status_code, beyond.json["code"]) == (416, "range_not_satisfiable")


def test_what_is_not_there_can_not_be_downloaded(world: World) -> None:
    model = world.model()
    answer = world.get(f"/models/{model.id}/download?format=pth")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert pointers(world.get(f"/models/{model.id}/download?format=exe")) == ["/format"]
    for model_id in (MODEL, "mod_x", "..%2f..%2fcorpora"):
        for path in ("", "/download"):
            assert world.get(f"/models/{model_id}{path}").status_code == 404
        assert world.http.delete(f"{API}/models/{model_id}").status_code == 404


def test_an_import_is_queued_with_its_file_unread(world: World) -> None:
    file = (io.BytesIO(b"not a model at all"), "../My model.pth")
    answer = world.http.post(f"{API}/models/import", data={"file": file})
    assert answer.status_code == 202
    job = answer.json
    assert (job["type"], job["params"]) == ("import", {"filename": "My model.pth", "name": "My model"})
    assert answer.headers["Location"] == f"{API}/jobs/{job['id']}"
    upload = world.services.volume.jobs.upload(job["id"])
    assert upload.read_bytes() == b"not a model at all"
    file = (io.BytesIO(b"x"), "a.zip")
    named = world.http.post(f"{API}/models/import", data={"file": file, "name": "Mine"})
    assert named.json["params"]["name"] == "Mine"


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 422), (b"x" * 5001, 413), (None, 422)], ids=["empty", "too large", "no file"]
)
def test_an_import_that_can_not_be_leaves_nothing(
    redis_url: str, world: World, body: bytes | None, status: int
) -> None:
    small = World(settings_of(redis_url, world.services.volume.folder, CHARLOOM_MAX_MODEL_BYTES="5000"))
    before = small.traces()
    data = {"name": "x"} if body is None else {"file": (io.BytesIO(body), "a.pth")}
    answer = small.http.post(f"{API}/models/import", data=data, content_type="multipart/form-data")
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert small.traces() == before
    assert small.http.post(f"{API}/models/import", data=b"x", content_type="application/zip").status_code == 415
    small.close()
