"""What Prometheus reads from a worker, and who may."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.errors import SettingsError
from shared.metrics.catalogue import CATALOGUE, Samples, Source
from shared.metrics.volume_probe import VolumeProbe
from shared.settings import check_metrics_binding, load
from shared.store import Store
from shared.volume import Volume
from tests.shared.store.test_fleet import WORKER
from tests.waiting import eventually
from worker.monitoring.metrics_server import MetricsServer


@contextmanager
def serving(redis_url: str, data_dir: Path, **changes: str) -> Iterator[tuple[MetricsServer, str]]:
    given = {"redis_url": redis_url, "data_dir": str(data_dir), "metrics_port": "0", **changes}
    settings = load({f"CHARLOOM_{name.upper()}": value for name, value in given.items()})
    server = MetricsServer(
        Store.of(settings), Volume.of(settings), settings, describe=lambda: WORKER, is_draining=lambda: True
    )
    server.start()
    assert server._server is not None
    yield server, f"http://127.0.0.1:{server._server.server_port}"
    server.stop()


def test_a_worker_exports_what_the_table_says(redis_url: str, data_dir: Path) -> None:
    with serving(redis_url, data_dir) as (_, url):
        eventually(lambda: "charloom_volume_free" in httpx.get(f"{url}/metrics").text, "the volume is probed")
        families = {family.name: family for family in text_string_to_metric_families(httpx.get(f"{url}/metrics").text)}
        wanted = {entry.name for entry in CATALOGUE if entry.source in (Source.WORKER, Source.PROCESS)}
        assert {name for name in families if not name.startswith("process_")} == wanted
        slots = {sample.labels["queue"]: sample.value for sample in families["charloom_worker_slots"].samples}
        assert slots == {"train": 1, "generate": 2}
        assert families["charloom_worker_draining"].samples[0].value == 1
        assert httpx.get(f"{url}/other").status_code == 404


def test_addresses_that_the_settings_do_not_name_are_refused(redis_url: str, data_dir: Path) -> None:
    answers: list[Any] = []
    with serving(redis_url, data_dir, metrics_host="0.0.0.0", metrics_allow="10.1.0.0/16") as (server, _):  # noqa: S104
        for address in ("127.0.0.1", "10.1.2.3", "10.2.0.1", "::ffff:10.1.2.3", ""):
            environ = {"REMOTE_ADDR": address, "PATH_INFO": "/metrics", "REQUEST_METHOD": "GET", "QUERY_STRING": ""}
            list(server._respond(environ, lambda status, *_: answers.append(status[:3])))  # type: ignore[arg-type]
    assert answers == ["200", "200", "403", "200", "403"]


def test_a_port_that_is_taken_stops_no_worker(redis_url: str, data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(redis_url, data_dir) as (_, url):
        settings = load({"CHARLOOM_METRICS_PORT": url.rpartition(":")[2], "CHARLOOM_DATA_DIR": str(data_dir)})
        store, volume = Store.of(settings), Volume.of(settings)
        other = MetricsServer(store, volume, settings, describe=lambda: WORKER, is_draining=lambda: False)
        other.start()
        assert "can't be bound" in caplog.text
        other.stop()


def test_metrics_are_opened_to_the_network_only_where_that_is_meant() -> None:
    opened = {"CHARLOOM_METRICS_PORT": "9808", "CHARLOOM_METRICS_HOST": "0.0.0.0"}  # noqa: S104
    with pytest.raises(SettingsError, match="CHARLOOM_METRICS_ALLOW"):
        check_metrics_binding(load(opened))
    check_metrics_binding(load(opened | {"CHARLOOM_METRICS_ALLOW": "10.1.0.0/16"}))
    check_metrics_binding(load({"CHARLOOM_METRICS_PORT": "9808"}))


def test_a_volume_that_fails_is_down_and_one_that_hangs_grows_old(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, no folder")
    probe, samples = VolumeProbe(Volume(tmp_path / "data")), Samples()
    probe.add_to(samples)
    assert [family.name for family in samples.families()] == ["charloom_volume_probe_age_seconds"]
    probe.probe()
    samples = Samples()
    probe.add_to(samples)
    assert next(f for f in samples.families() if f.name == "charloom_volume_up").samples[0].value == 0
