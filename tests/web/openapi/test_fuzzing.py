"""The running service against its own OpenAPI document: schemathesis sends what it allows and what it doesn't.

Each run sends the same: the seed is set and nothing is remembered between runs. All checks are on. One has to be told
what a schema can't say: a good body may name a text that isn't there or bring a file that is no text (422), a
range may lie outside of its file (416), an ETag may be another version's (412).
"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from shared.requests.estimate import Speed
from tests.web.serving import ROOT, serve
from tests.web.submission.test_webhooks import SECRET
from tests.web.world import World, settings_of

_CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "412", "413", "416", "422", "429", "503"]

[generation]
max-examples = {examples}
database = "none"

[phases.stateful]
max-steps = 8

[[operations]]
include-operation-id = "get_job"
parameters = {{ "query.wait" = 0.1 }}

[[operations]]
include-operation-id = ["get_model", "update_model", "download_model"]
parameters = {{ "path.model_id" = "{model_id}" }}

[[operations]]
include-operation-id = ["get_corpus", "get_corpus_text", "update_corpus", "list_characters"]
parameters = {{ "path.corpus_id" = "{corpus_id}" }}

# Its body is read as that of create_train_job, which gets the 450 wrong ones.
[[operations]]
include-operation-id = "estimate_training"
phases.coverage.generation.mode = "positive"
"""
#: Requests that each call gets in the phase that draws them at random.
EXAMPLES = 5


@contextmanager
def seen_worker(world: World) -> Iterator[None]:
    """Let a worker with a speed be seen for as long as it takes."""
    world.worker()
    (info,) = world.services.store.workers.seen()
    speed = Speed(seconds_per_position=2e-5, flops_per_second=5e10)
    over = threading.Event()

    def tell() -> None:
        while not over.wait(2):
            world.services.store.workers.report(replace(info, speed=speed.as_json()))

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.timeout(1200)  # twenty seconds of work, but minutes beside other work
def test_the_service_does_what_its_document_says(redis_url: str, tmp_path: Path) -> None:
    with serve(redis_url, tmp_path, **SECRET) as served:
        world = World(settings_of(redis_url, served.data_dir))
        corpus_id = world.corpus()
        # A model that nothing made by this run can be: the run deletes what it makes.
        model = world.model(corpus_id, formats=("bundle", "pth"), recipe="classic")
        config = tmp_path / "schemathesis.toml"
        config.write_text(_CONFIG.format(examples=EXAMPLES, model_id=model.id, corpus_id=corpus_id))
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "--config-file",
            str(config),
            "run",
            f"{served.url}/api/openapi.json",
            "--checks",
            "all",
            "--seed",
            "1",
            "--no-color",
            "--continue-on-failure",
            "--request-timeout",
            "30",
        ]
        # Few variables, since each request looks through all of them for a proxy; and Unicode's tables, which take a
        # second to make, are kept.
        environment = {"PATH": os.environ["PATH"], "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")}
        with seen_worker(world):
            run = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=1100, check=False
            )
        assert "Traceback" not in served.log.read_text()
        world.close()
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Selected: " in run.stdout
