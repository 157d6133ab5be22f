"""The container files, as far as they can be proven without a container engine: names, commands, rules.

What this leaves open: building the images, and running them together.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cli.service.service import ROOT
from shared.settings import PREFIX, Settings, check_binding, load
from tests.confined import VOLUME, confined
from tests.ports import free_port
from tests.servers import serving
from tests.waiting import eventually
from tests.web.locked import ANNA, bearer
from tests.worker.cluster import SMALL

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
#: How the compose file passes the keys: whatever is set where it is run, nothing by default.
UNSET = "${CHARLOOM_API_KEYS:-}"
#: Stands first on the path: a `torch` that can't be imported, as in the web image.
NO_TORCH = "raise ImportError('the web image has no torch')\n"


def instructions(target: str | None = None) -> list[tuple[str, str]]:
    """List the Dockerfile's instructions as (word, rest), of one stage and those it is built from if given."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    stages: dict[str, list[tuple[str, str]]] = {}
    for line in filter(None, (line.strip() for line in joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "ARG" and not stages:
            continue
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = list(stages.get(base, []))
        stages[name].append((word, rest.strip()))
    return stages[target] if target else [each for stage in stages.values() for each in stage]


def last(target: str, word: str) -> str:
    """Give the rest of a stage's last instruction of a kind."""
    return [rest for found, rest in instructions(target) if found == word][-1]


def command(target: str, word: str = "CMD") -> list[str]:
    """Give the words of a CMD, or of the CMD of a HEALTHCHECK, to be run by this interpreter."""
    words: list[str] = json.loads(last(target, word)[last(target, word).index("[") :])
    module = {"python": [], "gunicorn": ["-m", "gunicorn"], "celery": ["-m", "celery"]}[words[0]]
    return [sys.executable, *module, *words[1:]]


def test_whatever_is_copied_into_an_image_is_there_and_let_through() -> None:
    let_through = {
        line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = [rest.split() for word, rest in instructions() if word == "COPY" and not rest.startswith("--from=")]
    sources = {source.rstrip("/") for words in copied for source in words[:-1]} - {"."} | let_through
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source in let_through or source.partition("/")[0] in let_through, f"{source}: see .dockerignore"


def test_the_web_image_is_given_no_torch() -> None:
    words = shlex.join(rest for _, rest in instructions("web"))
    assert "torch" not in words
    assert "requirements.txt" not in words
    assert "locks/web.txt" in words


@pytest.mark.parametrize("target", ["web", "worker"])
def test_an_image_runs_as_nobody_special_and_says_whether_it_is_well(target: str) -> None:
    assert last(target, "USER") == "charloom"
    assert last(target, "HEALTHCHECK")


def test_every_variable_of_ours_is_a_setting() -> None:
    named = set(re.findall(rf"\b{PREFIX}([A-Z_]+)", DOCKERFILE + (ROOT / "docker-compose.yml").read_text()))
    assert named
    assert {name.lower() for name in named} <= set(Settings.model_fields)


def test_the_composed_web_server_may_bind_and_is_published_on_loopback_only() -> None:
    image = dict(
        pair.split("=", 1) for word, rest in instructions("web") if word == "ENV" for pair in shlex.split(rest)
    )
    given = {name: value for name, value in image.items() if name.startswith(PREFIX)}
    composed = {name: value.replace(UNSET, "") for name, value in COMPOSE["services"]["web"]["environment"].items()}
    check_binding(load(given | composed))
    assert COMPOSE["services"]["web"]["ports"] == ["127.0.0.1:8000:8000"]


@pytest.mark.parametrize("name", list(COMPOSE["services"]))
def test_a_container_may_do_as_little_as_it_can_live_with(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert [place.partition(":")[0] for place in service["tmpfs"]] == ["/tmp"]  # noqa: S108
    assert not {"privileged", "pid", "ipc", "network_mode", "devices", "userns_mode"} & set(service)
    assert service.get("user", last(name, "USER") if name in ("web", "worker") else "root") != "root"
    assert not any(volume.startswith(("/", ".", "~")) for volume in service["volumes"]), "no folder of the host"


def test_redis_is_reached_by_the_service_alone() -> None:
    services = COMPOSE["services"]
    assert {name for name, service in services.items() if "ports" in service} == {"web"}
    assert services["redis"]["networks"] == ["store"]
    assert COMPOSE["networks"]["store"] == {"internal": True}
    assert all("store" in services[name]["networks"] for name in ("web", "worker"))


def test_images_are_pinned_by_digest_and_can_be_replaced() -> None:
    sources = [line.split()[1] for line in DOCKERFILE.splitlines() if line.startswith("FROM ")]
    assert set(sources) == {"${PYTHON_IMAGE}", "base"}
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11-slim@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    image = COMPOSE["services"]["redis"]["image"]
    assert re.fullmatch(r"\$\{VALKEY_IMAGE:-valkey/valkey:9-alpine@sha256:[0-9a-f]{64}\}", image)


def test_no_secret_is_in_the_files() -> None:
    assert COMPOSE["services"]["web"]["environment"]["CHARLOOM_API_KEYS"] == UNSET
    assert "CHARLOOM_API_KEYS" not in COMPOSE["services"]["worker"]["environment"], "workers need none"
    assert not re.search(r"(?i)\b(ENV|ARG)\b.*(password|secret|_key)", DOCKERFILE)


def test_the_compose_files_hold_to_the_compose_specification() -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    files = ["docker-compose.yml", "deploy/compose.hosts.yml"]
    checked = subprocess.run([*checker, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_services_share_one_volume_and_wait_for_a_redis_that_keeps_everything() -> None:
    services = COMPOSE["services"]
    volumes = {name: services[name]["volumes"] for name in ("web", "worker")}
    assert volumes["web"] == volumes["worker"] == ["data:/data"]
    assert {volume.partition(":")[0] for service in services.values() for volume in service["volumes"]} == set(
        COMPOSE["volumes"]
    )
    for name in ("web", "worker"):
        assert services[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}
        assert services[name]["environment"]["CHARLOOM_REDIS_URL"].startswith("redis://redis:")
    kept = " ".join(services["redis"]["command"])
    assert "--appendonly yes" in kept
    assert "--maxmemory-policy noeviction" in kept


def test_workers_can_be_scaled() -> None:
    worker = COMPOSE["services"]["worker"]
    assert "container_name" not in worker
    assert "ports" not in worker
    assert "hostname" not in worker, "each container's own name identifies its worker"


@pytest.fixture
def environment(redis_url: str, data_dir: Path) -> dict[str, str]:
    """Give the environment of both containers."""
    return os.environ | {"CHARLOOM_REDIS_URL": redis_url, "CHARLOOM_DATA_DIR": str(data_dir)}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Start commands, and end them after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(words: list[str], **more: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            started.append(subprocess.Popen(words, cwd=ROOT, env=environment | more, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait()


def test_the_web_command_serves_without_torch_and_its_health_is_seen(run: Any, tmp_path: Path) -> None:
    blocked = tmp_path / "without"
    blocked.mkdir()
    (blocked / "torch.py").write_text(NO_TORCH)
    port = free_port()
    check = [word.replace(":8000/", f":{port}/") for word in command("web", "HEALTHCHECK")]
    server = run(command("web"), PYTHONPATH=str(blocked), CHARLOOM_PORT=str(port))

    def is_well() -> bool:
        assert server.poll() is None, (tmp_path / "log").read_text()
        return subprocess.run(check, capture_output=True, check=False).returncode == 0

    eventually(is_well, "the web container is healthy")
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success


def test_both_do_their_work_with_nothing_to_write_to_but_the_volume_and_no_capability(
    run: Any, environment: dict[str, str], data_dir: Path, tmp_path: Path
) -> None:
    # Given: the images' commands, on the volume at another place, and a Redis on a port: /tmp is their own.
    port = free_port()
    with serving(tmp_path / "redis") as redis_port:
        own = {
            "CHARLOOM_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "CHARLOOM_DATA_DIR": str(VOLUME),
            "CHARLOOM_PORT": str(port),
            "CHARLOOM_API_KEYS": f"anna:{ANNA}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/nonexistent",
        }
        seen = environment | {"CHARLOOM_REDIS_URL": own["CHARLOOM_REDIS_URL"]}
        check = partial(subprocess.run, command("worker", "HEALTHCHECK"), cwd=ROOT, env=seen, check=False)
        assert check(capture_output=True).returncode == 1, "no worker has been seen yet"
        processes = [run(confined(command(name), data_dir), **own) for name in ("web", "worker")]
        api = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=bearer(), trust_env=False)

        def is_ready() -> bool:
            assert all(process.poll() is None for process in processes), (tmp_path / "log").read_text()
            try:
                return api.get("/readyz").is_success
            except httpx.TransportError:
                return False

        def succeeded(kind: str, body: dict[str, Any]) -> dict[str, Any]:
            job = api.post(f"/api/v1/{kind}-jobs", json=body).raise_for_status().json()
            while job["status"] in ("queued", "running"):
                job = api.get(f"/api/v1/jobs/{job['id']}", params={"wait": 20}, timeout=30).json()
            assert job["status"] == "succeeded", job
            result: dict[str, Any] = job["result"]
            return result

        # When: they do all that they are there for.
        eventually(is_ready, "both are ready")
        text = {"file": ("sample.txt", (ROOT / "shared" / "sample.txt").read_bytes())}
        corpus_id = api.post("/api/v1/corpora", files=text).raise_for_status().json()["id"]
        model_id = succeeded("train", {"corpus_id": corpus_id, **SMALL, "recipe": "stream"})["model_id"]
        assert check().returncode == 0, "the worker is healthy"
        succeeded("generate", {"model_id": model_id, "length": 50})
        bundle = api.get(f"/api/v1/models/{model_id}/download").raise_for_status().content
        imported = api.post("/api/v1/models/import", files={"file": ("m.zip", bundle)}).raise_for_status().json()
        eventually(
            lambda: api.get(f"/api/v1/jobs/{imported['id']}").json()["status"] == "succeeded", "the import is done"
        )
        # Then: nothing has complained of the walls.
        assert "Read-only file system" not in (tmp_path / "log").read_text()
        assert (data_dir / "models" / model_id / "bundle.zip").exists()
        api.close()
