"""Whether it lives, whether it is ready, and what is said when a part is away."""

import stat
from pathlib import Path

import pytest

from tests.web.world import API, BOOK, World, settings_of

#: A configured key, unlike the generated one.
OWN_KEY = {"CHARLOOM_SECRET_KEY": "mine" * 8}


def test_the_process_lives_whatever_else(tmp_path: Path) -> None:
    world = World(settings_of(f"unix://{tmp_path}/nobody.sock", tmp_path / "data"))
    assert world.http.get("/healthz").json == {"status": "ok"}
    assert world.http.get("/healthz", headers={"Host": "10.0.0.7:8000"}).status_code == 200
    world.close()


def test_it_is_ready_without_a_worker_and_says_how_many_it_sees(world: World) -> None:
    assert world.http.get("/readyz").json == {"status": "ready", "workers": 0}
    world.worker()
    assert world.http.get("/readyz").json == {"status": "ready", "workers": 1}


def test_everything_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, no folder")
    world = World(settings_of(f"unix://{tmp_path}/nobody.sock", tmp_path / "data"))
    missing = world.http.get("/readyz")
    assert (missing.status_code, missing.json["code"]) == (503, "not_ready")
    assert missing.content_type == "application/problem+json"
    detail = missing.json["detail"]
    assert "redis" in detail
    assert "volume" in detail
    world.close()


@pytest.mark.parametrize("path", ["/jobs", "/jobs/job_" + "0" * 26, "/workers"])
def test_with_redis_away_the_response_says_when_to_retry(tmp_path: Path, path: str) -> None:
    world = World(settings_of(f"unix://{tmp_path}/nobody.sock", tmp_path / "data"))
    answer = world.get(path)
    assert (answer.status_code, answer.json["code"]) == (503, "store_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    page = world.http.get("/jobs")
    assert (page.status_code, page.content_type) == (503, "text/html; charset=utf-8")
    world.close()


def test_a_training_that_redis_does_not_take_leaves_nothing_on_the_volume(tmp_path: Path) -> None:
    memory = {"CHARLOOM_JOB_MEMORY_BYTES": str(8 << 30)}
    world = World(settings_of(f"unix://{tmp_path}/nobody.sock", tmp_path / "data", **memory))
    corpus_id = world.corpus()
    before = {path for path in world.services.volume.folder.rglob("*") if path.is_file()}
    assert world.train(corpus_id).status_code == 503
    assert {path for path in world.services.volume.folder.rglob("*") if path.is_file()} == before
    world.close()


def test_a_volume_that_takes_no_writes_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: ARG001
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    answer = world.http.post(f"{API}/corpora?name=x", data=BOOK, content_type="text/plain")
    assert (answer.status_code, answer.json["code"]) == (503, "volume_unavailable")
    assert "disk is full" in answer.json["detail"]


def test_workers_are_listed(world: World) -> None:
    world.worker()
    page = world.get("/workers").json
    worker = page["data"][0]
    assert set(worker) == {
        "name",
        "host",
        "cores",
        "cpu_quota",
        "threads",
        "bfloat16",
        "kernel",
        "processor",
        "pid",
        "started_s",
        "versions",
        "running",
        "seen_at",
        "volume_error",
        "train_slots",
        "generate_slots",
        "draining",
    }
    assert (worker["name"], page["first_id"], page["has_more"]) == ("worker@loom-1", "worker@loom-1", False)


def test_a_worker_drains_until_that_is_withdrawn(world: World) -> None:
    missing = world.http.post(f"{API}/workers/worker@loom-1/drain")
    assert (missing.status_code, missing.json["code"]) == (404, "not_found")
    world.worker()
    for verb, draining in (("drain", True), ("drain", True), ("undrain", False)):
        answer = world.http.post(f"{API}/workers/worker@loom-1/{verb}")
        assert (answer.status_code, answer.json["draining"]) == (200, draining)
        assert world.get("/workers").json["data"] == [answer.json]


def test_the_signing_key_is_made_once_for_all_hosts_and_is_nobody_elses(redis_url: str, data_dir: Path) -> None:
    first, second = (World(settings_of(redis_url, data_dir)) for _ in range(2))
    assert first.services.secret.get() == second.services.secret.get()
    assert len(first.services.secret.get()) == 64
    assert stat.S_IMODE((data_dir / "secret.key").stat().st_mode) == 0o600
    assert {path.name for path in data_dir.iterdir()} == {"secret.key", "volume.json"}
    configured = World(settings_of(redis_url, data_dir, **OWN_KEY))
    assert configured.services.secret.get() == b"mine" * 8
    for world in (first, second, configured):
        world.close()


def test_a_signing_key_that_all_may_read_is_closed_and_a_damaged_one_signs_nothing(
    redis_url: str, data_dir: Path
) -> None:
    (data_dir / "secret.key").write_text("k" * 64)
    (data_dir / "secret.key").chmod(0o644)
    world = World(settings_of(redis_url, data_dir))
    assert world.services.secret.get() == b"k" * 64
    assert stat.S_IMODE((data_dir / "secret.key").stat().st_mode) == 0o600
    world.close()
    (data_dir / "secret.key").write_text("")
    world = World(settings_of(redis_url, data_dir))
    page = world.http.get("/")
    assert (page.status_code, "secret.key" in page.text) == (503, True)
    world.close()
