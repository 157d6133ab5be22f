"""The units and manifests of deploy/: by the tools and schemas of their systems, and against the code they start.

What this leaves open: running them (docs/operations.md).
"""

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.service.service import ROOT
from shared.settings import PREFIX, Settings, load
from shared.store import keys
from tests.test_containers import COMPOSE, command
from tests.web.locked import ANNA

DEPLOY = ROOT / "deploy"
UNITS = sorted(path.name for path in (DEPLOY / "systemd").iterdir() if path.suffix in (".service", ".slice", ".target"))
#: The most that `systemd-analyze security` may find, in tenths: 0 is closed, 100 is open. All have 14.
MAX_EXPOSURE = 15
HOSTS: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.hosts.yml").read_text())


@cache
def manifests() -> list[dict[str, Any]]:
    """Read all objects of the manifests, those of KEDA too."""
    found = [path for path in (DEPLOY / "kubernetes").rglob("*.yaml") if path.name != "kustomization.yaml"]
    return [one for path in sorted(found) for one in yaml.safe_load_all(path.read_text())]


def named(kind: str, name: str) -> dict[str, Any]:
    """Return the one object of this kind and name."""
    [found] = [one for one in manifests() if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def pods() -> dict[str, dict[str, Any]]:
    """Return the pods that are made, by their component."""
    made = [one["spec"]["template"] for one in manifests() if "template" in one.get("spec", {})]
    return {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["spec"] for pod in made}


# systemd


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the units, with this environment's commands, by a path without spaces, in place of the installed ones."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze isn't installed (apt install systemd)")
    folder = tmp_path_factory.mktemp("units")
    (folder / "bin").symlink_to(Path(sys.executable).parent)
    for name in UNITS:
        text = (DEPLOY / "systemd" / name).read_text()
        (folder / name).write_text(text.replace("/opt/charloom/bin/", f"{folder / 'bin'}/"))
    return folder


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_systemd_accepts_the_units(units: Path) -> None:
    checked = analyze(units, "verify", "--man=no", *(f"./{name.replace('@.', '@1.')}" for name in UNITS))
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", [name for name in UNITS if name.endswith(".service")])
def test_a_service_is_closed_as_far_as_it_can_be(units: Path, name: str) -> None:
    judged = analyze(units, "security", "--offline=yes", f"--threshold={MAX_EXPOSURE}", "--no-pager", f"./{name}")
    assert judged.returncode == 0, judged.stdout


def test_the_units_start_what_the_images_start() -> None:
    for name, target in (("charloom-web.service", "web"), ("charloom-worker@.service", "worker")):
        [started] = re.findall(
            r"^ExecStart=/opt/charloom/bin/(.*)$", (DEPLOY / "systemd" / name).read_text(), re.MULTILINE
        )
        assert started.replace('"', "").split()[1:4] == command(target)[3:6]


def test_what_the_environment_files_set_are_settings() -> None:
    values: dict[str, str] = {}
    for name in ("charloom.env", "web.env"):
        lines = [line for line in (DEPLOY / "systemd" / name).read_text().splitlines() if not line.startswith("#")]
        values |= dict(line.split("=", 1) for line in lines)
    # The places that are to be filled in stop a start that forgot them.
    with pytest.raises(Exception, match="CHARLOOM_API_KEYS"):
        load(values)
    filled = {"CHARLOOM_API_KEYS": f"anna:{ANNA}", "CHARLOOM_SECRET_KEY": "s" * 32}
    assert str(load(values | filled).data_dir) == "/srv/charloom"


def test_a_training_has_time_to_save_before_its_worker_is_killed() -> None:
    unit = (DEPLOY / "systemd" / "charloom-worker@.service").read_text()
    for line in ("KillMode=mixed", "KillSignal=SIGTERM", "TimeoutStopSec=90", "OOMPolicy=continue"):
        assert f"\n{line}\n" in unit
    assert pods()["worker"]["terminationGracePeriodSeconds"] >= 90
    assert HOSTS["services"]["worker"]["stop_grace_period"] == "90s"


# Several hosts with Docker


def test_the_composed_hosts_share_nfs_and_are_as_closed_as_the_single_one() -> None:
    assert HOSTS["volumes"]["data"]["driver_opts"]["type"] == "nfs"
    assert "hard" in HOSTS["volumes"]["data"]["driver_opts"]["o"].split(",")
    assert HOSTS["x-least"] == COMPOSE["x-least"]
    assert HOSTS["services"]["redis"]["image"] == COMPOSE["services"]["redis"]["image"]
    assert HOSTS["services"]["redis"]["command"][:-2] == COMPOSE["services"]["redis"]["command"]
    assert {name: service["profiles"] for name, service in HOSTS["services"].items()} == {
        name: [name] for name in ("redis", "web", "worker")
    }
    assert "CHARLOOM_API_KEYS" not in HOSTS["services"]["worker"]["environment"], "workers need none"


# Kubernetes


@pytest.mark.parametrize(
    "manifest",
    [one for one in manifests() if not one["apiVersion"].startswith("keda.sh/")],
    ids=lambda one: one["metadata"]["name"],
)
def test_a_manifest_follows_the_schema_of_kubernetes(manifest: dict[str, Any]) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_every_resource_is_applied_and_every_variable_is_a_setting() -> None:
    for folder in (DEPLOY / "kubernetes", DEPLOY / "kubernetes" / "keda"):
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        assert set(listed) == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    used = set(re.findall(rf"\b{PREFIX}([A-Z_]+)", "".join(path.read_text() for path in DEPLOY.rglob("*.y*ml"))))
    assert {name.lower() for name in used} <= set(Settings.model_fields)


@pytest.mark.parametrize("component", ["redis", "web", "worker"])
def test_a_pod_may_do_as_little_as_it_can_live_with(component: str) -> None:
    pod = pods()[component]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = pod["containers"]
    least = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == least
    assert "memory" in container["resources"]["limits"]
    # A secret comes from the secret; workers need no keys.
    plain = [each["name"] for each in container.get("env", []) if "valueFrom" not in each]
    assert set(plain) <= {"CHARLOOM_REDIS_URL"}
    assert (component == "web") == (f"{PREFIX}API_KEYS" in json.dumps(container.get("env", [])))


def test_the_probes_ask_what_is_there() -> None:
    [web], [worker] = (pods()[name]["containers"] for name in ("web", "worker"))
    paths = {web[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"/healthz", "/readyz"}
    assert worker["readinessProbe"]["exec"]["command"][-1].split() == command("worker", "HEALTHCHECK")[-1].split()
    assert "livenessProbe" not in worker


def test_selectors_and_claims_meet() -> None:
    for one in manifests():
        selector = one.get("spec", {}).get("selector", {})
        chosen = selector.get("matchLabels", selector)
        if one["kind"] != "PersistentVolumeClaim" and chosen:
            assert chosen.get("app.kubernetes.io/component") in pods()
    for name in ("web", "worker"):
        volumes = pods()[name]["volumes"]
        claims = [each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each]
        assert claims == [named("PersistentVolumeClaim", "charloom-data")["metadata"]["name"]]
    assert named("PersistentVolumeClaim", "charloom-data")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_workers_are_scaled_by_queued_and_running_trainings() -> None:
    spec = named("ScaledObject", "charloom-worker")["spec"]
    counted = {trigger["name"]: trigger["metadata"]["listName"] for trigger in spec["triggers"]}
    assert counted == {
        "trainings": keys.queue("train"),
        "running": keys.index("train", "running"),
        "texts": keys.queue("generate"),
    }
    assert set(re.findall(r"[a-z]+", spec["advanced"]["scalingModifiers"]["formula"])) == set(counted)
    assert named("Deployment", spec["scaleTargetRef"]["name"])
    assert spec["minReplicaCount"] >= 1, "somebody has to look after the jobs of a lost worker"
