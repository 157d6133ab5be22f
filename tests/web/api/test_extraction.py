"""Files that aren't plain text are queued for extraction; what they became is known again."""

import io
from pathlib import Path
from typing import Any

import pytest

from shared.ids import corpus_id_of
from shared.text.source_formats import SourceFormat
from shared.volume import Source
from tests.web.world import API, BOOK, World, pointers, settings_of

PDF = b"%PDF-1.7\n..."


def send(world: World, *files: tuple[bytes, str], query: str = "", **fields: str) -> Any:
    sent = [(io.BytesIO(content), name) for content, name in files]
    return world.http.post(f"{API}/corpora{query}", data={"file": sent, **fields})


def test_a_book_is_queued_and_the_same_file_gives_the_corpus_that_it_became(world: World, tmp_path: Path) -> None:
    answer = send(world, (PDF, "/books/reeds.pdf"), name="My reeds")
    assert answer.status_code == 202
    job = answer.json
    assert answer.headers["Location"] == f"{API}/jobs/{job['id']}"
    assert (job["type"], job["params"]["filename"], job["params"]["name"]) == ("extract", "reeds.pdf", "My reeds")
    assert job["links"]["model"] is job["links"]["corpus"] is None

    # When: a worker has done it
    claim = world.claim(job["id"])
    assert world.services.volume.jobs.upload(job["id"]).read_bytes() == PDF
    (tmp_path / "text.txt").write_text(BOOK)
    source = Source(format=SourceFormat.PDF, filename="reeds.pdf", title="Reeds")
    corpus = world.services.volume.corpora.adopt(
        tmp_path / "text.txt",
        corpus_id=corpus_id_of(job["id"]),
        name="My reeds",
        sha256=job["params"]["sha256"],
        source=source,
    )
    world.finish(claim, {"corpus_id": corpus.id})
    # Then
    assert world.get(f"/jobs/{job['id']}").json["links"]["corpus"] == f"{API}/corpora/{corpus.id}"
    again = send(world, (PDF, "other.pdf"))
    assert (again.status_code, again.json["id"]) == (200, corpus.id)
    assert again.json["source"] == {
        "format": "pdf",
        "filename": "reeds.pdf",
        "title": "Reeds",
        "author": None,
        "files": 1,
    }
    # The same bytes as plain text are another corpus.
    plain = world.http.post(f"{API}/corpora", data=PDF, content_type="text/plain")
    assert plain.status_code == 201
    assert plain.json["source"] is None


def test_several_files_are_one_archive_in_the_job_and_alike_each_time(world: World) -> None:
    files = [(b"The first.", "1.txt"), (b"The second.", "2.txt")]
    jobs = [send(world, *files).json for _ in range(2)]
    assert jobs[0]["params"] == jobs[1]["params"]
    assert (jobs[0]["params"]["name"], jobs[0]["params"]["filename"]) == ("1", "1.txt and 1 more")
    assert world.services.volume.jobs.upload(jobs[0]["id"]).read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    ("content", "name", "status"),
    [
        (b"<!DOCTYPE html><p>A page</p>", "page", 202),
        (b"# Reeds\n\nThe wind.\n", "reeds.md", 202),
        (b"# Reeds\n\nThe wind.\n", "reeds.txt", 201),
        (b"\x89PNG\r\n\x1a\n\0", "a.png", 422),
    ],
)
def test_content_decides_and_the_name_where_it_can_not(world: World, content: bytes, name: str, status: int) -> None:
    assert send(world, (content, name)).status_code == status


def test_what_can_not_be_queued_leaves_nothing(redis_url: str, tmp_path: Path) -> None:
    small = World(settings_of(redis_url, tmp_path, CHARLOOM_MAX_CORPUS_BYTES="1000"))
    send(small, (b"\0", "a.txt"))  # the first request marks the volume
    before = small.traces()
    assert send(small, (PDF * 100, "a.pdf")).status_code == 413
    assert send(small, (b"a" * 600, "a.txt"), (b"b" * 600, "b.txt")).status_code == 413
    assert pointers(send(small, (b"a", "a.csv"), (b"b", "b.csv"), query="?column=x")) == ["/column"]
    assert small.traces() == before
    small.close()
