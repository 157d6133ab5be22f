"""`charloom rehearse` on a real fleet: it proves what the other tests here do, and leaves nothing behind."""

import signal
from pathlib import Path

import pytest

from charloom import Charloom
from tests.cli.conftest import clean_environment
from tests.cli.runner import Cli
from tests.faults.conftest import Stage
from tests.preloaded import popen
from tests.processes import charloom
from tests.waiting import eventually


@pytest.fixture
def rehearse(stage: Stage, tmp_path: Path) -> Cli:
    return Cli(tmp_path, clean_environment() | {"CHARLOOM_URL": stage.site.url})


def left_behind(client: Charloom) -> list[str]:
    """List what a rehearsal should have removed."""
    live = [job.id for job in client.jobs.list(status=("queued", "running", "cancelling"))]
    texts = [corpus.id for corpus in client.corpora.list(name="rehearsal-")]
    models = [model.id for model in client.models.list() if model.name.startswith("rehearsal-")]
    return live + texts + models + [worker.name for worker in client.workers() if worker.draining]


@pytest.mark.parametrize("how", ["drain", "kill"])
def test_a_rehearsal_moves_the_canary_and_finds_the_same_weights(stage: Stage, rehearse: Cli, how: str) -> None:
    # It has the fewest epochs that there are, since the trainings here were slow, as it is.
    result = rehearse("rehearse", "--json", "--seconds", "1", *(["--kill"] if how == "kill" else []))
    assert result.exit_code == 0, result.printed
    report = result.json
    assert (report["method"], report["passed"], report["same_weights"], report["same_code"]) == (how, True, True, True)
    assert {report["worker"], report["ended_on"]} == {"host1@site", "host2@site"}
    assert 0 < report["detected_s"] < report["recovered_s"]
    assert report["moved"] == []
    struck = stage.site.hosts[int(report["worker"][4])]
    assert struck.lives is (how == "drain")
    with Charloom(stage.site.url) as client:
        assert left_behind(client) == []
        assert client.jobs.get(report["job_id"]).attempt == 2
        assert client.jobs.get(report["undisturbed_job_id"]).attempt == 1


def test_ctrl_c_leaves_nothing_behind(stage: Stage, rehearse: Cli, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("wb") as out, Charloom(stage.site.url) as client:
        words = charloom("rehearse", "--seconds", "600")
        process = popen(words, cwd=tmp_path, environment=rehearse.environment, stdout=out, new_session=True)
        eventually(lambda: any(worker.draining for worker in client.workers()), "the canary's worker drains")
        for _ in range(2):
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, output.read_text()
        assert left_behind(client) == []


def test_a_worker_with_other_jobs_is_left_alone_unless_they_may_move(stage: Stage, rehearse: Cli) -> None:
    client = stage.client
    writing = client.write(stage.model_id, length=100_000, n=16)
    eventually(lambda: client.get(writing)["status"] == "running", "it writes")
    busy = client.get(writing)["worker"]
    with Charloom(stage.site.url) as loom:
        for worker in loom.workers():
            loom.drain_worker(worker.name, undo=worker.name == busy)
        # A worker takes jobs until it has heard of its drain: then it is refused for that, and asked again.
        refused = rehearse("rehearse", "--seconds", "60")
        if "is drained already" in refused.stderr:
            refused = rehearse("rehearse", "--seconds", "60")
        assert loom.jobs.cancel(writing).attempt == 1
        for worker in loom.workers():
            loom.drain_worker(worker.name, undo=True)
        assert (refused.exit_code, "--yes moves them, too" in refused.stderr) == (4, True), refused.stderr
        eventually(lambda: left_behind(loom) == [], "nothing is left behind")
