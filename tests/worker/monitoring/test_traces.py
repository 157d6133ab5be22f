"""One trace from a caller's request to the last step of the job, over a real web server and real workers."""

import json
import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from shared.jobs.record import Status
from tests.otlp import collecting
from tests.waiting import eventually
from tests.web.serving import serve
from tests.web.world import API
from tests.worker.cluster import MIDDLING, ROOT, Cluster
from tests.worker.jobs.test_lost_workers import drain, kill_children
from tests.worker.receiver import receiving
from tests.worker.webhooks.test_sender import SECRET
from worker.jobs.spans import TrainingSpans
from worker.training.events import Metric

INSTALLED = os.environ.get("CI") or find_spec("opentelemetry")
TRACE, BROWSER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = {"traceparent": f"00-{TRACE}-{BROWSER}-01"}


@pytest.mark.skipif(not INSTALLED, reason="OpenTelemetry isn't installed")
def test_one_trace_goes_from_the_request_over_all_attempts_to_the_last_step(redis_url: str, tmp_path: Path) -> None:
    with collecting() as collector, receiving() as receiver:
        shared = {"CHARLOOM_WEBHOOK_SECRET": SECRET, "CHARLOOM_WEBHOOK_ALLOW": "127.0.0.0/8"}
        # The web server exports what it has when it ends, the workers' processes soon: one of them is killed.
        at_end = {**collector.environment, "OTEL_BSP_SCHEDULE_DELAY": "600000"}
        with serve(redis_url, tmp_path, **at_end, **shared) as served:
            made = Cluster.make(
                redis_url, tmp_path / "data", tmp_path, lease_ttl_s="3", train_threads="1", log_format="json"
            )
            cluster = replace(made, environment={**made.environment, **collector.environment, **shared})
            with httpx.Client(base_url=served.url + API, trust_env=False, timeout=60) as http:
                text = (ROOT / "shared/sample.txt").read_bytes()[:12_000]
                corpus = http.post("/corpora", content=text, headers={"Content-Type": "text/plain"}).json()
                asked = {
                    "corpus_id": corpus["id"],
                    **MIDDLING,
                    "name": "not for export",
                    "webhook": {"url": receiver.url},
                }
                job_id = http.post("/train-jobs", json=asked, headers=SENT).json()["id"]

            # The first attempt loses its process, the second is drained, the third ends on another worker.
            with cluster.worker("first") as process:
                cluster.running(job_id)
                eventually(lambda: collector.named("load"), "the first attempt's phase is exported")
                kill_children(process)
                eventually(lambda: len(collector.named("load")) == 2, "the second attempt trains")
                drain(process)
            with cluster.worker("second"):
                assert cluster.ended(job_id).status is Status.SUCCEEDED
                eventually(lambda: receiver.received, "the webhook is delivered")
            assert served.terminate() == 0

    ours = [span for span in collector.spans if span.trace_id == TRACE]
    (request,) = collector.named("POST /api/v1/train-jobs")
    assert (request.trace_id, request.parent_id, request.service) == (TRACE, BROWSER, "charloom-web")
    assert request.attributes["charloom.job.id"] == job_id
    assert request.attributes["http.response.status_code"] == 202

    attempts = collector.named("train attempt")
    assert {(span.trace_id, span.parent_id, span.service) for span in attempts} == {
        (TRACE, request.span_id, "charloom-worker")
    }
    seen = [(span.attributes["charloom.attempt"], span.attributes["charloom.worker"]) for span in attempts]
    assert seen == [(1, "first@test"), (2, "first@test"), (3, "second@test")]
    assert [span.attributes.get("error.type") for span in attempts] == ["worker_lost", None, None]
    assert [span.failed for span in attempts] == [True, False, False]

    phases = {
        attempt.attributes["charloom.attempt"]: {span.name for span in ours if span.parent_id == attempt.span_id}
        for attempt in attempts
    }
    assert "load" in phases[1], "what a lost attempt has exported finds its parent"
    assert {"load", "checkpoint"} <= phases[2]
    assert {"load", "epoch", "index", "build", "publish"} <= phases[3]
    (webhook,) = collector.named("webhook")
    assert (webhook.trace_id, webhook.parent_id) == (TRACE, request.span_id)
    assert receiver.received[0].headers["traceparent"] == f"00-{TRACE}-{webhook.span_id}-01"
    assert {span.parent_id for span in ours} <= {BROWSER, *(span.span_id for span in ours)}, "no parent is missing"
    assert len({span.span_id for span in ours}) == len(ours)
    for kept in ("not for export", "/hooks", corpus["id"]):
        assert kept not in repr(collector.spans)

    lines = [json.loads(line) for line in (tmp_path / "second.log").read_text().splitlines() if line.startswith("{")]
    assert {line.get("trace_id") for line in lines if line.get("job") == job_id} == {TRACE}


class _Counting:
    """A tracer whose spans are only counted; and one of its spans."""

    def __init__(self) -> None:
        self.begun = self.ended = 0

    def begin(self, _: str) -> "_Counting":
        self.begun += 1
        return self

    def set(self, _: object) -> None:
        """Do nothing."""

    def end(self) -> None:
        self.ended += 1


@pytest.mark.parametrize(("epochs", "least", "most"), [(0, 1, 1), (5, 6, 6), (28_000, 150, 250)])
def test_the_spans_of_a_training_grow_with_the_logarithm_of_its_epochs(epochs: int, least: int, most: int) -> None:
    now, counting = 100.0, _Counting()
    spans = TrainingSpans(counting, clock=lambda: now)  # type: ignore[arg-type]
    for epoch in range(1, epochs + 1):
        now += 1
        event = Metric(state=lambda: None, step=epoch, epoch=epoch, seconds=1.0)  # type: ignore[arg-type,return-value]
        spans.follow(event)
    spans.close()
    assert least <= counting.ended <= most
    assert counting.begun - counting.ended in (0, 1), "an epoch that has begun and not ended"
