"""What Prometheus reads from a web process, and who may."""

import io
import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from shared.metrics.catalogue import CATALOGUE, Source
from tests.waiting import eventually
from tests.web.locked import bearer, locked_world
from tests.web.world import World, settings_of

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROMETHEUS = {"REMOTE_ADDR": "10.1.2.3"}


def scraped(text: str) -> dict[str, float]:
    """Read a scrape: series -> value."""
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in parse_text(text)
        for sample in family.samples
    }


def test_every_metric_of_the_table_is_exported_and_no_other(redis_url: str, data_dir: Path) -> None:
    world = World(settings_of(redis_url, data_dir, CHARLOOM_QUOTA_TEXTS="9"))
    world.worker()
    world.http.get("/metrics")
    eventually(lambda: "charloom_volume_free_bytes" in world.http.get("/metrics").text, "the volume is probed")
    names = {family.name for family in parse_text(world.http.get("/metrics").text)}
    wanted = {entry.name.removesuffix("_total") for entry in CATALOGUE if entry.source is not Source.WORKER}
    assert {name.removesuffix("_total") for name in names if not name.startswith("process_")} == wanted
    without = {family.name for family in parse_text(world.http.get("/metrics?fleet=0").text)}
    fleet = {entry.name for entry in CATALOGUE if entry.source is Source.FLEET}
    assert names - without == {name.removesuffix("_total") for name in fleet}
    world.close()


def test_what_is_stored_is_counted_by_key_and_of_unknown_keys_together(redis_url: str, data_dir: Path) -> None:
    world = locked_world(redis_url, data_dir, CHARLOOM_QUOTA_TEXTS="9")
    for name, owner in enumerate(("anna", "gone", "")):
        world.services.volume.corpora.add(io.BytesIO(b"text %d" % name), name="a", max_bytes=99, owner=owner)
    world.services.stored.refresh()
    figures = scraped(world.http.get("/metrics", headers=bearer()).text)
    texts = {name: value for name, value in figures.items() if name.startswith("charloom_stored_texts")}
    assert texts == {f"charloom_stored_texts key={key}": count for key, count in {"": 2, "anna": 1, "key-2": 0}.items()}
    assert figures["charloom_stored_bytes key=anna"] == 6
    world.close()


def test_it_speaks_openmetrics_where_that_is_accepted(world: World) -> None:
    plain = world.http.get("/metrics")
    assert plain.content_type.startswith("text/plain; version=")
    answer = world.http.get("/metrics", headers={"Accept": OPENMETRICS})
    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.count("# EOF") == 1
    families = {family.name: family for family in parse_openmetrics(answer.text)}  # type: ignore[no-untyped-call]
    assert families["charloom_jobs_created"].type == "counter"
    assert families["celery_task_runtime"].type == "histogram"


def test_jobs_queues_and_workers_are_counted_also_under_celery_exporters_names(world: World) -> None:
    world.worker()
    job_id = world.train(world.corpus(), init_from=None).json["id"]
    figures = scraped(world.http.get("/metrics").text)
    assert figures["charloom_jobs status=queued type=train"] == 1
    assert figures["charloom_queue_jobs queue=train"] == figures["celery_queue_length queue_name=train"] == 1
    assert figures["celery_worker_up hostname=worker@loom-1"] == 1
    assert figures["celery_task_sent_total name=run.train queue_name=train"] == 1
    claim = world.claim(job_id)
    world.fail(claim)
    figures = scraped(world.http.get("/metrics").text)
    assert figures["charloom_jobs_ended_total status=failed type=train"] == 1
    assert figures["celery_task_failed_total exception= name=run.train queue_name=train"] == 1
    assert figures["celery_task_runtime_bucket le=+Inf name=run.train queue_name=train"] == 1
    assert figures["charloom_job_wait_seconds_count type=train"] == 1


def test_requests_are_counted_by_route_never_by_address(world: World) -> None:
    for path in (f"/api/v1/jobs/job_{'0' * 26}", "/nowhere/at/all", "/nowhere/else"):
        world.http.get(path)
    world.http.open("/api/v1/jobs", method="BREW")
    text = world.http.get("/metrics").text
    figures = scraped(text)
    assert figures["charloom_http_requests_total method=GET route=/api/v1/jobs/<job_id> status=4xx"] == 1
    assert figures["charloom_http_requests_total method=GET route=none status=4xx"] == 2
    assert figures["charloom_http_request_seconds_count method=GET route=/api/v1/jobs/<job_id>"] == 1
    assert figures["charloom_http_requests_total method=other route=none status=4xx"] == 1
    assert not re.search(r"nowhere|BREW|job_0|_created", text.replace("jobs_created", ""))


def test_with_redis_away_it_still_answers(tmp_path: Path) -> None:
    world = World(settings_of(f"unix://{tmp_path}/nobody.sock", tmp_path / "data"))
    answer = world.http.get("/metrics")
    assert answer.status_code == 200
    figures = scraped(answer.text)
    assert figures["charloom_redis_up"] == 0
    assert not any(name.startswith("charloom_jobs") for name in figures)
    world.close()


@pytest.mark.parametrize(
    ("changes", "host", "status"),
    [
        ({}, "localhost", 401),
        ({"CHARLOOM_METRICS_ALLOW": "10.2.0.0/16"}, "localhost", 401),
        ({"CHARLOOM_METRICS_ALLOW": "10.1.0.0/16"}, "localhost", 200),
        ({"CHARLOOM_METRICS_ALLOW": "10.1.0.0/16", "CHARLOOM_ALLOWED_HOSTS": "loom.example"}, "10.0.0.7:8000", 200),
        ({"CHARLOOM_METRICS_ALLOW": "10.2.0.0/16", "CHARLOOM_ALLOWED_HOSTS": "loom.example"}, "10.0.0.7:8000", 403),
    ],
)
def test_a_network_may_be_let_in_without_a_key(
    redis_url: str, data_dir: Path, changes: dict[str, str], host: str, status: int
) -> None:
    world = locked_world(redis_url, data_dir, **changes)
    asked = {"headers": {"Host": host}, "environ_base": PROMETHEUS}
    assert world.http.get("/metrics", **asked).status_code == status
    assert world.http.get("/metrics", headers=bearer()).status_code == 200
    assert world.http.get("/api/v1/jobs", **asked).status_code in (401, 403), "it opens nothing else"
    world.close()
