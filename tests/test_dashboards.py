"""The dashboard and the alert rules name what is exported, and the rules fire when they should."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.metrics.catalogue import CATALOGUE, Kind
from tests.test_layers import ROOT

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "charloom.json").read_text())
#: Labels of the table, and those that Prometheus adds.
LABELS = {label for entry in CATALOGUE for label in entry.labels} | {"le", "instance", "job"}
SERIES = {
    name
    for entry in CATALOGUE
    for name in (
        [f"{entry.name}_{part}" for part in ("bucket", "sum", "count")]
        if entry.kind is Kind.HISTOGRAM
        else [entry.name]
    )
} | {"process_resident_memory_bytes"}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    drawn = [target["expr"] for panel in panels() for target in panel["targets"]]
    return drawn + [rule["expr"] for rule in rules()]


def promtool(*arguments: str) -> None:
    """Run Debian's promtool, or skip where there is none, except in CI."""
    if (program := shutil.which("promtool")) is None:
        if os.environ.get("CI"):
            pytest.fail("There is no promtool; CI has one.")
        pytest.skip("There is no promtool here (apt install prometheus).")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_names_what_is_exported(expression: str) -> None:
    named = set(re.findall(r"\b(?:charloom|celery|process)_\w+", expression))
    assert named
    assert named <= SERIES, named - SERIES
    grouped = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression) + re.findall(r"(\w+)(?:=~|!~|!=|=)\"", expression)
    labels = {label.strip() for some in grouped for label in some.split(",")}
    assert labels <= LABELS, labels - LABELS


def test_each_panel_and_alert_is_there_once_and_says_what_it_means() -> None:
    titles = [panel["title"] for panel in panels()]
    assert len(titles) == len(set(titles))
    assert all(panel["description"] for panel in panels())
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    tested = ALERTS.with_name("alerts_test.yml").read_text()
    for rule in rules():
        assert {"summary", "description"} == set(rule["annotations"])
        assert f'alertname="{rule["alert"]}"' in tested, "promtool tests each"


def test_the_rules_fire_when_they_should_and_only_then() -> None:
    promtool("check", "rules", str(ALERTS))
    promtool("test", "rules", str(ALERTS.with_name("alerts_test.yml")))


def test_the_dashboards_expressions_can_be_evaluated(tmp_path: Path) -> None:
    written = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions())
    ]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": written}]}))
    promtool("check", "rules", str(tmp_path / "panels.yml"))
