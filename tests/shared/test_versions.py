"""Records of other versions: older ones are read, newer ones are refused with words and left as they are."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import redis

from shared.errors import Conflict, NewerVersion, VolumeGone
from shared.jobs.record import End, JobError, NewJob, Status
from shared.jobs.rows import ModelLosses
from shared.store import Store, keys
from shared.volume import Model, SavedState, Volume
from shared.volume.models import write_meta
from shared.volume_sync import sync_pending
from tests.jobs import make_job
from web.submission.enqueue import Submitter
from worker.consumer.messages import is_ours
from worker.maintenance.reconcile import reconcile


class Stored(NamedTuple):
    """A volume with one record of each kind."""

    volume: Volume
    job: NewJob
    corpus_id: str
    model_id: str

    def file(self, name: str) -> Path:
        """Return one of its files, the only one of this name."""
        (found,) = self.volume.folder.glob(name)
        return found


@pytest.fixture
def stored(data_dir: Path) -> Stored:
    volume, job = Volume(data_dir), make_job()
    volume.mark.write()
    volume.jobs.create(job)
    folder = volume.jobs.open_attempt(job.id, 1)
    volume.jobs.commit_state(folder, SavedState(path=folder / "state-1.safetensors", sha256="0", step=1))
    volume.jobs.end(job.id, End(status=Status.FAILED, error=JobError(code="diverged", detail="x")))
    corpus, _ = volume.corpora.add(io.BytesIO(b"a text"), name="a text", max_bytes=100)
    folder = data_dir / "models" / job.model_id
    folder.mkdir(parents=True)
    model = Model(
        id=job.model_id,
        name="a model",
        recipe="stream",
        job_id=job.id,
        parent_model_id=None,
        corpus_id=None,
        params={},
        vocabulary="ab",
        parameters=1,
        losses=ModelLosses(),
        files={},
        created_at="2026-11-27T00:00:00Z",
    )
    write_meta(folder, model)
    return Stored(volume, job, corpus.id, job.model_id)


READS: dict[str, Callable[[Stored], Any]] = {
    "jobs/*/job.json": lambda on: on.volume.jobs.asked(on.job.id),
    "jobs/*/end.json": lambda on: on.volume.jobs.ended(on.job.id),
    "jobs/*/t1/state.json": lambda on: on.volume.jobs.states_of_line(on.job.id),
    "corpora/*/meta.json": lambda on: on.volume.corpora.get(on.corpus_id),
    "models/*/meta.json": lambda on: on.volume.models.get(on.model_id),
    "volume.json": lambda on: on.volume.mark.read(),
}


@pytest.mark.parametrize("name", READS)
def test_a_file_of_a_newer_version_is_refused_and_one_without_a_version_is_read(stored: Stored, name: str) -> None:
    path, read = stored.file(name), READS[name]
    content = json.loads(path.read_text("utf-8"))
    known = read(stored)
    assert content.pop("version") == 1
    path.write_text(json.dumps(content), "utf-8")
    assert read(stored) in (known, content)
    newer = json.dumps(content | {"version": 2})
    path.write_text(newer, "utf-8")
    with pytest.raises((NewerVersion, VolumeGone), match=f"{path.name} of .* has version 2; this process knows 1"):
        read(stored)


EDITS: dict[str, Callable[[Stored], Any]] = {
    "corpora/*/meta.json": lambda on: on.volume.corpora.edit(on.corpus_id, name="another"),
    "models/*/meta.json": lambda on: on.volume.models.edit(on.model_id, name="another", metadata=None),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_name_of_a_newer_text_or_model_is_not_changed(stored: Stored, name: str) -> None:
    path = stored.file(name)
    newer = path.read_text("utf-8").replace('"version": 1', '"version": 2')
    path.write_text(newer, "utf-8")
    with pytest.raises(NewerVersion):
        EDITS[name](stored)
    assert path.read_text("utf-8") == newer
    lists = (stored.volume.corpora.list(after=None, limit=9)[0], stored.volume.models.list(after=None, limit=9)[0])
    assert sum(map(len, lists)) == 1, "the other one alone is listed"


def test_what_a_newer_version_added_to_a_model_survives_a_change_of_its_name(stored: Stored) -> None:
    path = stored.file("models/*/meta.json")
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"later": [1]}), "utf-8")
    assert stored.volume.models.edit(stored.model_id, name="another", metadata={"a": "b"}).name == "another"
    assert json.loads(path.read_text("utf-8"))["later"] == [1]


def test_what_a_newer_version_added_to_the_end_of_a_job_is_ignored(store: Store, stored: Stored) -> None:
    path = stored.file("jobs/*/end.json")
    end = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(end | {"later": 1, "error": end["error"] | {"later": 1}}), "utf-8")
    assert reconcile(store.jobs, stored.volume, lease_s=10) == 1
    assert store.jobs.get(stored.job.id).error == JobError(code="diverged", detail="x")


def test_a_damaged_end_stops_no_comparison(store: Store, stored: Stored) -> None:
    other = make_job()
    stored.volume.jobs.create(other)
    stored.file(f"jobs/{stored.job.id}/end.json").write_text('{"status": "failed", "error": {"code": 1}}', "utf-8")
    assert reconcile(store.jobs, stored.volume, lease_s=10) == 1
    assert store.jobs.find(stored.job.id) is None
    assert store.jobs.get(other.id).status is Status.QUEUED


@pytest.mark.parametrize("change", [{"version": "2"}, {"type": "dream"}, {"status": "paused"}])
def test_a_newer_jobs_record_is_refused_and_stops_nothing_else(
    store: Store, client: "redis.Redis", data_dir: Path, change: dict[str, str]
) -> None:
    older, newer = make_job(), make_job()
    for job in (older, newer):
        store.jobs.create(job)
        store.jobs.mark_pending(job.id)
    client.hdel(keys.job(older.id), "version")
    for field, value in change.items():
        client.hset(keys.job(newer.id), field, value)
    record = client.hgetall(keys.job(newer.id))
    with pytest.raises(NewerVersion, match=newer.id):
        store.jobs.get(newer.id)
    assert [job.id for job in store.jobs.page().jobs] == [older.id]
    assert [job.id for job in store.jobs.find_all([newer.id, older.id])] == [older.id]
    sync_pending(store.jobs, Volume(data_dir))
    assert store.jobs.pending_sync() == [newer.id]
    if "type" not in change:
        assert store.jobs.claim(newer.id, worker="w1", lease_s=10) is None
    if "status" in change:
        assert store.jobs.statuses([newer.id]) == ["paused"]
        folder = Volume(data_dir)
        folder.jobs.create(newer)
        folder.jobs.end(newer.id, End(status=Status.FAILED))
        assert reconcile(store.jobs, folder, lease_s=10) == 0
        with pytest.raises(Conflict, match="paused"):
            store.jobs.cancel(newer.id)
    assert client.hgetall(keys.job(newer.id)) == record


def test_a_newer_job_is_neither_restored_nor_made_again(store: Store, stored: Stored) -> None:
    older = make_job()
    stored.volume.jobs.create(older)
    path = stored.file(f"jobs/{stored.job.id}/job.json")
    newer = path.read_text("utf-8").replace('"version": 1', '"version": 2')
    path.write_text(newer, "utf-8")
    assert reconcile(store.jobs, stored.volume, lease_s=10) == 1
    assert store.jobs.get(older.id).status is Status.QUEUED
    submitter = Submitter(store=store, broker=None, volume=stored.volume)  # type: ignore[arg-type]  # nothing is sent
    with pytest.raises(NewerVersion):
        submitter.submit(stored.job, retried=True)
    assert path.read_text("utf-8") == newer


@pytest.mark.parametrize(
    ("version", "ours"), [({}, True), ({"charloom_version": 1}, True), ({"charloom_version": 2}, False)]
)
def test_a_message_of_a_newer_version_is_dropped(version: dict[str, int], ours: bool) -> None:
    headers = {"task": "run.train", "id": "x", "root_id": "x", **version}
    body = json.dumps([["job_" + "0" * 26], {}, {}])
    message = SimpleNamespace(content_type="application/json", content_encoding="utf-8", headers=headers, body=body)
    assert is_ours(message) is ours
