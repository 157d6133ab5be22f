"""`charloom doctor` finds what is wrong and says how to fix it."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from click.testing import Result
from packaging.requirements import Requirement

from charloom import Worker
from cli.doctor import machine_checks
from cli.doctor.findings import Finding, Level
from cli.doctor.machine_checks import check_data, required
from cli.doctor.service_checks import check_clocks, check_redis, check_redis_config, check_replicas, check_workers
from shared.settings import load
from shared.store import ServerFacts, WorkerInfo, server
from tests.cli.conftest import doctor_of
from tests.cli.runner import Cli
from tests.client.scripted import Reply, Scripted
from tests.client.stack import Stack

FACTS = ServerFacts(
    version="Valkey 9.1.2", used_bytes=10, most_bytes=0, policy="noeviction", append_only=True, clock_ms=0
)
WORKER = Worker(name="w1@a", host="a", cores=2, threads=1, versions={"torch": "2.13.0+cpu"}, seen_at=datetime.now(UTC))


def levels(findings: Iterable[Finding]) -> dict[str, Level]:
    found = list(findings)
    assert all(bool(one.fix) == (one.level in (Level.WARN, Level.BAD)) for one in found), "what is wrong has a fix"
    return {one.subject: one.level for one in found}


@pytest.fixture
def doctor(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    return doctor_of(cli, monkeypatch)


def test_a_good_installation_passes(cli: Cli, doctor: Callable[..., Result], stack: Stack) -> None:
    redis_url = stack.cluster.settings.redis_url.get_secret_value()
    result = cli("doctor", CHARLOOM_REDIS_URL=redis_url, CHARLOOM_DATA_DIR=str(stack.cluster.volume.folder))
    assert result.exit_code == 0, result.stdout
    assert "No check failed." in result.stderr
    for words in (
        "torch: 2.",
        "data: ",
        "redis: Valkey",
        "noeviction",
        "appendonly is yes",
        "clock of w1@test: within 5 s",
    ):
        assert f"ok    {words}" in result.stdout or words in result.stdout, words
    assert f"web: {stack.url} responds and is ready" in result.stdout
    rows = json.loads(doctor("--json", CHARLOOM_REDIS_URL=redis_url).stdout)["data"]
    assert {row["what"] for row in rows} >= {"python", "packages", "torch", "kernel", "cores", "redis", "web"}
    assert all(set(row) == {"object", "what", "level", "said", "todo"} for row in rows)


def test_of_a_server_elsewhere_no_local_data_are_expected(cli: Cli, doctor: Callable[..., Result]) -> None:
    def checked(**environment: str) -> set[str]:
        return {row["what"] for row in json.loads(doctor("--json", **environment).stdout)["data"]}

    local = {"data", "disk", "redis"}
    assert not checked() & local, "CHARLOOM_URL names a server, and there are no data here"
    assert checked(CHARLOOM_URL="") >= local
    assert checked(CHARLOOM_DATA_DIR="elsewhere") >= local
    (cli.folder / "data").mkdir()
    assert checked() >= local


def test_what_is_unreachable_is_bad_and_the_exit_code_says_so(doctor: Callable[..., Result]) -> None:
    result = doctor("--url", "http://127.0.0.1:1", CHARLOOM_REDIS_URL="redis://127.0.0.1:1/0")
    assert result.exit_code == 3
    assert "bad   redis: " in result.stdout
    assert "bad   web: http://127.0.0.1:1 doesn't answer: Connection refused" in result.stdout
    assert "2 checks failed." in result.stderr


def test_a_wrong_setting_is_named(doctor: Callable[..., Result]) -> None:
    result = doctor(CHARLOOM_PROT="8001")
    assert result.exit_code == 3
    assert "bad   settings: CHARLOOM_PROT is not a setting of Charloom" in result.stdout


@pytest.mark.parametrize("body", [b"<html>", b'{"hello": "world"}'])
def test_another_program_at_the_address_is_recognized(doctor: Callable[..., Result], body: bytes) -> None:
    with Scripted() as server:
        server.replies = [Reply(body=body)]
        result = doctor("--url", server.url)
    assert result.exit_code == 3
    assert f"bad   web: {server.url} responds" in result.stdout
    assert "sets another address" in result.stdout


def test_a_redis_that_loses_data_is_reported(redis_url: str) -> None:
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


@pytest.mark.parametrize(("replicas", "good", "level"), [(0, 0, Level.WARN), (2, None, Level.WARN), (2, 2, Level.OK)])
def test_a_primary_that_can_not_be_replaced_is_reported(replicas: int, good: int | None, level: Level) -> None:
    facts = replace(FACTS, replicas=replicas, good_replicas=good)
    assert levels(check_replicas(facts)) == {"replicas": level}


def test_a_server_that_is_too_old_is_named(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MIN_VERSION", (99, 0))
    finding = next(iter(check_redis(load({"CHARLOOM_REDIS_URL": redis_url}))))
    assert finding.level is Level.BAD
    assert "is too old: Charloom needs Redis 7.0 or newer, or Valkey" in finding.message


@pytest.mark.parametrize(
    ("skew_ms", "level"), [(0, Level.OK), (-4000, Level.OK), (60_000, Level.WARN), (-60_000, Level.WARN)]
)
def test_a_worker_s_wrong_clock_is_reported(skew_ms: int, level: Level) -> None:
    worker = WorkerInfo(
        name="w1@a",
        host="a",
        cores=2,
        threads=1,
        bfloat16=False,
        memory_bytes=1,
        versions={},
        seen_ms=10**12,
        clock_ms=10**12 + skew_ms,
    )
    [finding] = check_clocks([worker])
    assert finding.level is level
    assert list(check_clocks([replace(worker, clock_ms=0)])) == [], "an older version reports none"


def test_workers_of_different_versions_and_no_workers_are_reported() -> None:
    assert levels(check_workers([WORKER]))["worker w1@a"] is Level.OK
    [limited] = check_workers([WORKER.model_copy(update={"cpu_quota": 1.5})])
    assert "2 cores (quota 1.5)" in limited.message
    other = WORKER.model_copy(update={"name": "w1@b", "versions": {"torch": "2.12.0"}})
    found = list(check_workers([WORKER, other]))
    assert "different versions of torch: 2.12.0, 2.13.0" in found[-1].message
    assert found[-1].level is Level.WARN
    cuda = WORKER.model_copy(update={"versions": {"torch": "2.13.0+cu128"}})
    assert Level.WARN not in levels(check_workers([WORKER, cuda])).values(), "another build is the same version"
    assert levels(check_workers([])) == {"workers": Level.BAD}


def test_the_data_directory_is_checked_without_creating_it(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "there"
    assert levels(check_data(missing))["data"] is Level.NOTE
    assert not missing.exists()
    assert levels(check_data(tmp_path)) == {"data": Level.OK, "disk": Level.OK}
    file = tmp_path / "file"
    file.touch()
    assert levels(check_data(file))["data"] is Level.BAD


def test_little_free_space_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    monkeypatch.setattr(machine_checks, "LOW_FREE", free * 2)
    assert levels(check_data(tmp_path))["disk"] is Level.WARN
    monkeypatch.setattr(machine_checks, "MIN_FREE", free * 2)
    assert levels(check_data(tmp_path))["disk"] is Level.BAD


def test_packages_are_compared_with_what_the_installation_needs() -> None:
    assert {"torch", "httpx", "click"} <= {one.name for one in required()}
    assert machine_checks._check_packages(required()).level is Level.OK
    assert machine_checks._check_packages([Requirement("no-such-package>=1")]).level is Level.BAD
    assert machine_checks._check_packages([Requirement("click<2")]).level is Level.WARN


def test_a_containers_quota_is_reported_with_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_checks, "cpu_quota", lambda: 1.5)
    assert "this container may use 1.5 of" in machine_checks._check_cores().message
