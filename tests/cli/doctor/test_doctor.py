"""`charloom doctor` finds what is wrong, and says what to do about it."""

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from packaging.requirements import Requirement

from charloom import Worker
from cli.doctor import machine_checks
from cli.doctor.findings import Finding, Level
from cli.doctor.machine_checks import check_data, required
from cli.doctor.service_checks import check_clocks, check_redis, check_redis_config, check_workers
from shared.settings import load
from shared.store import ServerFacts, WorkerInfo
from tests.cli.runner import Cli
from tests.client.scripted import Reply, Scripted
from tests.client.stack import Stack

FACTS = ServerFacts(
    version="Valkey 9.1.2", used_bytes=10, most_bytes=0, policy="noeviction", append_only=True, clock_ms=0
)
WORKER = Worker(name="w1@a", host="a", cores=2, threads=1, versions={"torch": "2.13.0+cpu"}, seen_at=datetime.now(UTC))


def levels(findings: Iterable[Finding]) -> dict[str, Level]:
    found = list(findings)
    assert all(bool(one.todo) == (one.level in (Level.WARN, Level.BAD)) for one in found), "what is wrong has a remedy"
    return {one.what: one.level for one in found}


def test_a_good_set_up_is_good(cli: Cli, stack: Stack) -> None:
    redis_url = stack.cluster.settings.redis_url.get_secret_value()
    looked = cli("doctor", CHARLOOM_REDIS_URL=redis_url, CHARLOOM_DATA_DIR=str(stack.cluster.volume.folder))
    assert looked.exit_code == 0, looked.stdout
    assert "Nothing is bad." in looked.stderr
    for words in ("torch: 2.", "data: ", "redis: Valkey", "noeviction", "appendonly yes", "clock of w1@test: agrees"):
        assert f"ok    {words}" in looked.stdout or words in looked.stdout, words
    assert f"web: {stack.url} answers and is ready" in looked.stdout
    told = cli("doctor", "--json", CHARLOOM_REDIS_URL=redis_url).json["data"]
    assert {row["what"] for row in told} >= {"python", "packages", "torch", "kernel", "cores", "data", "redis", "web"}


def test_what_is_away_is_bad_and_the_exit_code_says_so(cli: Cli) -> None:
    looked = cli("doctor", "--url", "http://127.0.0.1:1", CHARLOOM_REDIS_URL="redis://127.0.0.1:1/0")
    assert looked.exit_code == 3
    assert "bad   redis: " in looked.stdout
    assert "bad   web: http://127.0.0.1:1 doesn't answer: Connection refused" in looked.stdout
    assert "2 things are bad." in looked.stderr


def test_a_wrong_setting_is_named(cli: Cli) -> None:
    looked = cli("doctor", CHARLOOM_PROT="8001")
    assert looked.exit_code == 3
    assert "bad   settings: CHARLOOM_PROT is not a setting of Charloom" in looked.stdout


@pytest.mark.parametrize("body", [b"<html>", b'{"hello": "world"}'])
def test_another_program_at_the_address_is_said_to_be_one(cli: Cli, body: bytes) -> None:
    with Scripted() as server:
        server.replies = [Reply(body=body)]
        looked = cli("doctor", "--url", server.url)
    assert looked.exit_code == 3
    assert f"bad   web: {server.url} answers" in looked.stdout
    assert "Say where Charloom is" in looked.stdout


def test_a_redis_that_loses_things_is_told_of(redis_url: str) -> None:
    settings = load({"CHARLOOM_REDIS_URL": redis_url})
    assert set(levels(check_redis(settings)).values()) == {Level.OK}
    with redis.Redis.from_url(redis_url) as client:
        before = client.config_get("maxmemory-policy")
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert levels(check_redis(settings))["eviction"] is Level.BAD
        finally:
            client.config_set("maxmemory-policy", before["maxmemory-policy"])
    assert levels(check_redis_config(replace(FACTS, append_only=False)))["durability"] is Level.WARN
    assert levels(check_redis_config(replace(FACTS, most_bytes=11)))["redis' memory"] is Level.WARN
    assert levels(check_redis(None))["redis"] is Level.NOTE


@pytest.mark.parametrize(
    ("off_ms", "level"), [(0, Level.OK), (-4000, Level.OK), (60_000, Level.WARN), (-60_000, Level.WARN)]
)
def test_a_worker_s_clock_that_is_off_is_told_of(off_ms: int, level: Level) -> None:
    told = WorkerInfo(
        name="w1@a",
        host="a",
        cores=2,
        threads=1,
        bfloat16=False,
        memory_bytes=1,
        versions={},
        seen_ms=10**12,
        clock_ms=10**12 + off_ms,
    )
    [finding] = check_clocks([told])
    assert finding.level is level
    assert list(check_clocks([replace(told, clock_ms=0)])) == [], "an older version tells none"


def test_workers_of_different_versions_and_none_at_all_are_told_of() -> None:
    assert levels(check_workers([WORKER]))["worker w1@a"] is Level.OK
    other = WORKER.model_copy(update={"name": "w1@b", "versions": {"torch": "2.12.0"}})
    found = list(check_workers([WORKER, other]))
    assert "different versions of torch: 2.12.0, 2.13.0" in found[-1].said
    assert found[-1].level is Level.WARN
    cuda = WORKER.model_copy(update={"versions": {"torch": "2.13.0+cu128"}})
    assert Level.WARN not in levels(check_workers([WORKER, cuda])).values(), "another build is the same version"
    assert levels(check_workers([])) == {"workers": Level.BAD}


def test_a_data_directory_is_looked_at_without_making_it(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "there"
    assert levels(check_data(missing))["data"] is Level.NOTE
    assert not missing.exists()
    assert levels(check_data(tmp_path)) == {"data": Level.OK, "disk": Level.OK}
    file = tmp_path / "file"
    file.touch()
    assert levels(check_data(file))["data"] is Level.BAD


def test_little_room_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    monkeypatch.setattr(machine_checks, "LITTLE_FREE", free * 2)
    assert levels(check_data(tmp_path))["disk"] is Level.WARN
    monkeypatch.setattr(machine_checks, "MIN_FREE", free * 2)
    assert levels(check_data(tmp_path))["disk"] is Level.BAD


def test_packages_are_held_against_what_the_installation_needs() -> None:
    assert {"torch", "httpx", "click"} <= {one.name for one in required()}
    assert machine_checks._packages(required()).level is Level.OK
    assert machine_checks._packages([Requirement("no-such-package>=1")]).level is Level.BAD
    assert machine_checks._packages([Requirement("click<2")]).level is Level.WARN
