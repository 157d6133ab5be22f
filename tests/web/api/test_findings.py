"""Findings of a text: examined once, by a job; and the requests to clean it."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from shared.errors import CleaningFailed
from shared.jobs.record import JobError, Status
from shared.requests.cleaning import Remedy
from shared.volume import corpus_findings
from shared.volume.corpus_record import Cleaning
from tests.web.world import API, World, pointers

FINDING: dict[str, Any] = {
    "id": "licence",
    "title": "A licence",
    "detail": "It has one.",
    "count": 1,
    "chars": 9,
    "share": 0.1,
    "cost": "10 %",
    "remedy": "licence",
    "advice": "Removes it.",
    "advised": True,
    "examples": [{"offset": 0, "length": 9, "before": "", "text": "A licence", "after": ".", "becomes": ""}],
}


def clean(world: World, corpus_id: str, **body: Any) -> Any:
    return world.http.post(f"{API}/corpora/{corpus_id}/clean", json=body)


def test_a_text_is_examined_once(world: World) -> None:
    corpus_id = world.corpus()
    first = world.get(f"/corpora/{corpus_id}/findings")
    assert first.status_code == 202
    assert (first.json["type"], first.json["params"]["corpus_id"]) == ("examine", corpus_id)
    assert first.headers["Location"] == f"{API}/jobs/{first.json['id']}"
    assert world.get(f"/corpora/{corpus_id}/findings").json["id"] == first.json["id"]
    # A job that failed for good isn't repeated at each question; one that was cancelled is.
    claim = world.claim(first.json["id"])
    world.services.store.jobs.finish(
        first.json["id"], claim.token, Status.FAILED, error=JobError(code=CleaningFailed.code, detail="No.")
    )
    failed = world.get(f"/corpora/{corpus_id}/findings")
    assert (failed.status_code, failed.json["id"], failed.json["status"]) == (202, first.json["id"], "failed")
    corpus_findings.note_job(world.services.volume.corpora, corpus_id, "job_01m86z6zv2e5vq8r8b3z3w8k4d")
    second = world.get(f"/corpora/{corpus_id}/findings").json
    assert second["id"] != first.json["id"]
    world.http.post(f"{API}/jobs/{second['id']}/cancel")
    assert world.get(f"/corpora/{corpus_id}/findings").json["id"] != second["id"]

    corpus_findings.write(world.services.volume.corpora, corpus_id, [FINDING])
    found = world.get(f"/corpora/{corpus_id}/findings")
    assert (found.status_code, found.json["findings"]) == (200, [FINDING])


def test_findings_of_earlier_rules_are_made_again_once(world: World) -> None:
    # Given: findings as an earlier version has written them
    corpus_id = world.corpus()
    path = world.services.volume.corpora.folder(corpus_id) / "findings.json"
    path.write_text(json.dumps({"version": 1, "findings": [FINDING]}))
    # When: they are asked for, and a worker that is still of that version examines the text
    job = world.get(f"/corpora/{corpus_id}/findings")
    assert job.status_code == 202
    world.finish(world.claim(job.json["id"]), {"corpus_id": corpus_id})
    # Then: its findings are the answer, instead of one job after another
    assert world.get(f"/corpora/{corpus_id}/findings").json["findings"] == [FINDING]
    # What a later version writes can be read as well.
    path.write_text(json.dumps({"rules": 99, "findings": []}))
    assert world.get(f"/corpora/{corpus_id}/findings").json["findings"] == []


@pytest.mark.parametrize("running", [False, True])
def test_an_examination_is_cancelled_where_its_text_is_deleted(world: World, running: bool) -> None:
    corpus_id = world.corpus()
    job_id = world.get(f"/corpora/{corpus_id}/findings").json["id"]
    if running:
        world.claim(job_id)
    submitted = world.train(corpus_id).json["id"]
    refused = world.http.delete(f"{API}/corpora/{corpus_id}")
    assert (refused.status_code, submitted in refused.json["detail"]) == (409, True)
    assert world.get(f"/jobs/{job_id}").json["status"] == ("running" if running else "queued")
    world.http.post(f"{API}/jobs/{submitted}/cancel")
    assert world.http.delete(f"{API}/corpora/{corpus_id}").status_code == 204
    assert world.get(f"/jobs/{job_id}").json["status"] == ("cancelling" if running else "cancelled")
    folder = world.services.volume.folder / "jobs" / job_id
    assert (folder / ("cancel.json" if running else "end.json")).exists(), "the volume knows, too"


def test_a_cleaning_is_queued_with_what_was_asked_for(world: World) -> None:
    corpus_id = world.corpus(name="Reeds")
    answer = clean(world, corpus_id)
    assert answer.status_code == 202
    assert (answer.json["type"], answer.json["params"]["remedies"]) == ("clean", "advised")
    assert answer.json["params"]["name"] == "Reeds, cleaned"
    some = clean(world, corpus_id, remedies=["repeats", "licence"], name="Bare").json
    assert some["params"] == {"corpus_id": corpus_id, "remedies": ["repeats", "licence"], "name": "Bare"}


@pytest.mark.parametrize(
    ("remedies", "pointer"),
    [
        (["licence", "magic"], "/remedies/1"),
        ("all", "/remedies"),
        ([], "/remedies"),
        (3, "/remedies"),
        ([1], "/remedies/0"),
    ],
)
def test_an_unknown_remedy_is_refused_with_those_there_are(world: World, remedies: Any, pointer: str) -> None:
    answer = clean(world, world.corpus(), remedies=remedies)
    assert answer.status_code == 422
    assert pointers(answer) == [pointer]
    if pointer == "/remedies/1":
        assert all(f"'{remedy}'" in answer.json["detail"] for remedy in Remedy)


def test_a_cleaned_text_says_how_it_was_made(world: World) -> None:
    corpus_id = world.corpus()
    assert world.get(f"/corpora/{corpus_id}/cleaning").status_code == 404
    done = {"remedy": "licence", "changes": 1, "removed": 9, "added": 0, "examples": FINDING["examples"]}
    cleaning = Cleaning(parent_id="cor_x", chars_before=20, chars_after=11, remedies=[done])
    world.services.volume.corpora.keep_fact(corpus_id, "cleaning.json", asdict(cleaning))
    answer = world.get(f"/corpora/{corpus_id}/cleaning").json
    assert (answer["parent_id"], answer["chars_after"], answer["remedies"]) == ("cor_x", 11, [done])


@pytest.mark.parametrize("path", ["findings", "cleaning"])
def test_a_text_that_is_not_there_has_none(world: World, path: str) -> None:
    assert world.get(f"/corpora/cor_01m86z5k9q3c1f7e5x2y8n0v4a/{path}").status_code == 404
    assert clean(world, "cor_01m86z5k9q3c1f7e5x2y8n0v4a").status_code == 404
