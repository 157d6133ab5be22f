"""What is compressed, for whom, and what isn't."""

import gzip
from typing import Any

import brotli
import pytest

from tests.web.world import API, BOOK, World


def get(world: World, path: str, accepted: str, **headers: str) -> Any:
    return world.http.get(path, headers={"Accept-Encoding": accepted, **headers}, buffered=True)


@pytest.mark.parametrize("kind", ["document", "text", "csv", "json", "static", "page"])
def test_what_is_long_is_compressed_for_who_takes_it(world: World, kind: str) -> None:
    corpus_id = world.corpus()
    world.train(corpus_id)
    world.train(corpus_id)
    path = {
        "document": "/api/openapi.json",
        "text": f"{API}/corpora/{corpus_id}/text",
        "csv": f"/models/{world.model(corpus_id, epochs_measured=90).id}/losses.csv",
        "json": f"{API}/jobs",
        "static": "/static/app.css",
        "page": "/api/docs",
    }[kind]
    whole = get(world, path, "identity")
    assert (whole.status_code, whole.headers["Vary"]) == (200, "Accept-Encoding"), whole.text
    packed = get(world, path, "gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == whole.data
    assert brotli.decompress(get(world, path, "br, gzip").data) == whole.data
    head = world.http.head(path, headers={"Accept-Encoding": "gzip"}, buffered=True)
    assert (head.headers["Content-Encoding"], head.data) == ("gzip", b"")
    if "ETag" not in whole.headers:
        return
    etags = {answer.headers["ETag"] for answer in (whole, packed)}
    assert len(etags) == 2, "two representations have two strong ETags"
    for etag in etags:
        same = get(world, path, "gzip", **{"If-None-Match": etag})
        assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)


#: Accept-Encoding -> what is chosen.
CHOICES = {
    "": None,
    "identity": None,
    "gzip;q=0": None,
    "*;q=0": None,
    "gzip, br, zstd": "zstd",
    "gzip, br": "br",
    "GZIP": "gzip",
    "gzip;q=1, br;q=0.5": "gzip",
    "br;q=0, gzip": "gzip",
    "*": "zstd",
    "compress": None,
}


@pytest.mark.parametrize("accepted", CHOICES)
def test_the_coding_is_the_one_that_is_preferred(world: World, accepted: str) -> None:
    answer = get(world, "/api/openapi.json", accepted)
    assert answer.headers.get("Content-Encoding") == CHOICES[accepted]


def test_what_holds_a_token_is_short_or_a_part_is_sent_as_it_is(world: World) -> None:
    corpus_id = world.corpus()
    model = world.model(corpus_id)
    job_id = world.train(corpus_id).json["id"]
    for path in ("/", f"/jobs/{job_id}", f"/models/{model.id}"):
        page = get(world, path, "gzip, br, zstd")
        assert "csrf_token" in page.text
        assert len(page.data) > 1400
        assert "Content-Encoding" not in page.headers
    for path in ("/healthz", f"{API}/models/{model.id}/download"):
        assert "Content-Encoding" not in get(world, path, "gzip").headers
    part = get(world, f"{API}/corpora/{corpus_id}/text", "gzip", Range="bytes=0-1999")
    assert (part.status_code, part.data) == (206, BOOK.encode()[:2000])
    # What was begun compressed can't be continued by a range of the plain text.
    packed = get(world, f"{API}/corpora/{corpus_id}/text", "gzip")
    mixed = {"Range": "bytes=100-", "If-Range": packed.headers["ETag"]}
    assert get(world, f"{API}/corpora/{corpus_id}/text", "gzip", **mixed).status_code == 200
