"""What a volume in a bucket promises to several hosts, each with a folder of its own, on a real S3 server."""

import io
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli.doctor.findings import Level
from cli.doctor.volume_checks import check_bucket, check_mark
from shared.errors import LeaseLost, NotFound, SettingsError, VolumeGone, VolumeUnavailable
from shared.ids import new_id
from shared.jobs.record import NewJob
from shared.settings import load
from shared.volume import SavedState, Volume
from tests.jobs import make_job

pytest.importorskip("botocore")  # the extra s3

from shared.volume.objects import Objects, Overtaken, _client_of


@pytest.fixture
def host(tmp_path: Path, volume_url: str) -> Callable[[str], Volume]:
    """Give a function that makes a host's volume."""
    return lambda name: Volume.of(load({"CHARLOOM_VOLUME_URL": volume_url, "CHARLOOM_DATA_DIR": str(tmp_path / name)}))


@pytest.fixture
def objects(volume_url: str) -> Objects:
    return Objects(*volume_url.split("/")[2:])


@pytest.fixture
def here(host: Callable[[str], Volume]) -> Volume:
    return host("here")


@pytest.fixture
def there(host: Callable[[str], Volume]) -> Volume:
    return host("there")


def save(volume: Volume, folder: Path, step: int) -> SavedState:
    path = folder / f"state-{step}.safetensors"
    path.write_text(f"state {step}")
    state = SavedState(path=path, sha256="ab", step=step)
    volume.jobs.commit_state(folder, state)
    return state


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Call all of these in threads that begin together; return their results, in no order, None where Overtaken."""
    barrier, results = threading.Barrier(len(calls)), []

    def run(call: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results.append(call())
        except Overtaken:
            results.append(None)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def race(objects: Objects, key: str, **condition: Any) -> str:
    """Let three threads write one key; return the ETag of the one that won."""
    [etag] = [won for won in at_once(*(partial(objects.put, key, os.urandom(9), **condition) for _ in range(3))) if won]
    return str(etag)


def test_of_writers_that_race_for_a_key_one_wins(objects: Objects) -> None:
    for number in range(3):
        key = f"race/{number}"
        etag = race(objects, key, replaces=race(objects, key, new=True))
        last = objects.get(key)
        assert last is not None
        assert last[1] == etag


def test_a_write_whose_response_was_lost_has_succeeded(objects: Objects) -> None:
    etag = objects.put("once", b"mine", new=True)
    assert objects.put("once", b"mine", new=True) == etag
    with pytest.raises(Overtaken):
        objects.put("once", b"another's", new=True)
    replaced = objects.put("once", b"newer", replaces=etag)
    assert objects.put("once", b"newer", replaces=etag) == replaced
    with pytest.raises(Overtaken):
        objects.put("none", b"x", replaces=etag)


def test_a_stale_holder_saves_nothing_once_its_successor_has_begun(here: Volume, there: Volume) -> None:
    # Given: a training here, which has saved a state and doesn't reach Redis
    job_id = new_id("job")
    stale = here.jobs.open_attempt(job_id, 1)
    save(here, stale, 10)
    save(here, stale, 20)
    # When: another host takes the job over
    successor = there.jobs.open_attempt(job_id, 2)
    # Then: what was saved before is there, and nothing comes after it
    with pytest.raises(LeaseLost):
        save(here, stale, 30)
    [state] = there.jobs.states(job_id)
    assert (state.step, there.jobs.state_file(state).read_text()) == (20, "state 20")
    save(there, successor, 25)
    assert [state.step for state in here.jobs.states(job_id)] == [25, 20]
    assert not here.files.exists(stale / "state-10.safetensors")


def test_one_that_begins_after_its_successor_does_not_begin(here: Volume, there: Volume) -> None:
    job_id = new_id("job")
    there.jobs.open_attempt(job_id, 2)
    with pytest.raises(LeaseLost):
        here.jobs.open_attempt(job_id, 1)
    # One that had begun but saved nothing is refused as well.
    late = new_id("job")
    folder = here.jobs.open_attempt(late, 1)
    there.jobs.open_attempt(late, 2)
    with pytest.raises(LeaseLost):
        save(here, folder, 1)
    assert there.jobs.states(late) == []


def test_what_one_host_has_stored_another_one_uses(here: Volume, there: Volume, objects: Objects) -> None:
    text = "one text\n" * 100
    corpus, _ = here.corpora.add(io.BytesIO(text.encode()), name="a text", max_bytes=1000)
    assert "".join(there.corpora.parts(corpus.id)) == text
    with here.corpora.new_index(corpus.id, lowercase=True) as folder:
        (folder / "text-0.npy").write_text("a piece")
        (folder / "index.json").write_text("{}")
    index = there.corpora.index_folder(corpus.id, lowercase=True)
    assert sorted(path.name for path in index.iterdir()) == ["index.json", "text-0.npy"]
    assert here.mark.write() == (there.mark.read(), True)
    assert there.mark.write()[1] is False
    # A process that was forked after the first call, as Celery's children are.
    if (child := os.fork()) == 0:
        os._exit(there.corpora.find(corpus.id) is None)
    assert os.waitpid(child, 0)[1] == 0
    there.corpora.delete(corpus.id)
    with pytest.raises(NotFound):
        here.corpora.text_path(corpus.id)
    assert list(objects.keys("corpora")) == []


def test_a_sealed_model_is_published_by_another_host_once(here: Volume, there: Volume) -> None:
    # Given: a model that was built and kept here
    job: NewJob = make_job()
    here.jobs.create(job)
    built = here.jobs.open_attempt(job.id, 1) / "model"
    built.mkdir()
    (built / "bundle.zip").write_text("weights")
    (built / "meta.json").write_text('{"name": "first"}')
    here.jobs.keep_built(job.id, 1, {"model_id": job.model_id})
    # When: it is published there, and edited, and published again here
    assert there.jobs.built_result(job.id, 1) == {"model_id": job.model_id}
    there.models.publish(there.jobs.built_model(job.id, 1), job.model_id)
    meta = there.models.folder(job.model_id) / "meta.json"
    there.files.change(there.folder, meta, lambda known: known | {"name": "edited"})
    here.models.publish(built, job.model_id)
    # Then: the edit stays
    folder = here.models.folder(job.model_id, "bundle.zip")
    assert here.files.read_json(folder / "meta.json")["name"] == "edited"
    assert (folder / "bundle.zip").read_text() == "weights"


def test_changes_that_overtake_each_other_are_all_made(here: Volume, there: Volume) -> None:
    corpus, _ = here.corpora.add(io.BytesIO(b"a text"), name="a text", max_bytes=1000)
    checks: list[str] = []

    def overtaken() -> None:
        checks.append("checked")
        if len(checks) == 1:
            there.corpora.edit(corpus.id, metadata={"by": "there"})

    here.corpora.edit(corpus.id, name="new", check=overtaken)
    assert len(checks) == 2, "it is checked again against the newer version"
    both = there.corpora.get(corpus.id)
    assert (both.name, both.metadata) == ("new", {"by": "there"})
    checks.clear()
    here.corpora.delete(corpus.id, check=overtaken)
    assert len(checks) == 2


def test_copies_that_nobody_uses_are_removed(here: Volume, there: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [here.corpora.add(io.BytesIO(b"text %d" % number), name="a", max_bytes=99)[0] for number in range(3)]
    copies = [there.corpora.text_path(text.id) for text in texts[:2]]
    for copy in copies:
        os.utime(copy, (0, 0))
    there.corpora.text_path(texts[1].id)
    monkeypatch.setattr(there.files, "_search_at", 0)
    there.corpora.text_path(texts[2].id)
    assert [copy.exists() for copy in copies] == [False, True]
    assert there.corpora.text_path(texts[0].id).read_text() == "text 0"


def test_a_server_that_ignores_conditions_is_refused(here: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    here.check()
    put = Objects.put
    for ignored in ("new", "replaces"):

        def ignoring(*args: Any, ignored: str = ignored, **conditions: Any) -> str:
            return put(*args, **{name: value for name, value in conditions.items() if name != ignored})

        monkeypatch.setattr(Objects, "put", ignoring)
        monkeypatch.setattr(here.files, "_conditional", False)
        with pytest.raises(VolumeUnavailable, match="ignores If-None-Match or If-Match"):
            here.check()
    assert here.files.list_ids(here.folder) == []


def test_the_doctor_tries_a_bucket_and_makes_it_the_service_s(redis_url: str, volume_url: str, data_dir: Path) -> None:
    variables = {"REDIS_URL": redis_url, "VOLUME_URL": volume_url, "DATA_DIR": str(data_dir)}
    settings = load({f"CHARLOOM_{name}": value for name, value in variables.items()})
    [found] = check_bucket(settings)
    assert (found.level, found.message) == (
        Level.OK,
        f"{volume_url} is writable, and its server enforces If-None-Match and If-Match",
    )
    assert [finding.level for finding in check_mark(settings, None, adopt=True)] == [Level.OK]
    [found] = check_bucket(settings.model_copy(update={"volume_url": "s3://none-such/x"}))
    assert (found.level, "doesn't exist" in found.message) == (Level.BAD, True)


@pytest.mark.parametrize(
    ("url", "variables", "error", "words"),
    [
        ("s3://no-such-bucket/x", {}, VolumeGone, "s3://no-such-bucket doesn't exist"),
        ("s3://volume/x", {"AWS_SECRET_ACCESS_KEY": "wrong"}, VolumeUnavailable, "refuses a request"),
        ("s3://volume/x", {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, VolumeGone, "doesn't respond"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_said_in_words(
    volume_url: str,
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    variables: dict[str, str],
    error: type[Exception],
    words: str,
) -> None:
    assert volume_url
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _client_of.cache_clear()
    monkeypatch.setattr(time, "sleep", lambda _: None)  # before botocore tries again
    try:
        with pytest.raises(error, match=words):
            Volume.of(load({"CHARLOOM_VOLUME_URL": url, "CHARLOOM_DATA_DIR": str(data_dir)})).mark.read()
    finally:
        _client_of.cache_clear()


@pytest.mark.parametrize("url", ["s3://", "s3://UPPER/x", "/srv/charloom", "gs://bucket/x", "s3://bucket/a b"])
def test_an_address_that_names_no_bucket_stops_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="CHARLOOM_VOLUME_URL"):
        load({"CHARLOOM_VOLUME_URL": url})
