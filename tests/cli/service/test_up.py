"""`charloom up`, with everything real: Valkey, gunicorn, a Celery worker that trains."""

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Run, Service, running_url
from tests.cli.runner import Cli
from tests.waiting import eventually

TEXT = ("The loom stood by the river, and the badger stood by the loom. " * 60).encode()


def call(url: str, method: str, path: str, **how: Any) -> dict[str, Any]:
    """Call the API."""
    answer = httpx.request(method, f"{url}/api/v1{path}", timeout=60, trust_env=False, **how)
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


def train(url: str, headers: dict[str, str] | None = None, **options: Any) -> str:
    """Start a training of a small network, and give its id."""
    corpus = call(url, "POST", "/corpora", files={"file": ("loom.txt", TEXT)}, headers=headers)
    body = {"corpus_id": corpus["id"], "hidden_size": 16, **options}
    return str(call(url, "POST", "/train-jobs", json=body, headers=headers)["id"])


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Return a directory whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def test_a_training_in_the_middle_goes_on_with_the_next_start_and_a_kill_leaves_no_process(
    run: Run, short_path: Path
) -> None:
    # Given a training behind keys, under a path with spaces and a percent sign that is too long for a socket in it
    data_dir = short_path / ("my data, 100 % mine" + "deep" * 30)
    key = "0123456789abcdef01234567"
    headers = {"Authorization": f"Bearer {key}"}
    keys = {"CHARLOOM_API_KEYS": f"anna:{key}"}
    first = run("up", "--port", "0", "--data", str(data_dir), new_interpreters=True, **keys)
    url = running_url(first)
    assert httpx.get(f"{url}/api/v1/jobs", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
    job_id = train(url, headers, epochs=10_000, patience=0, seed=1)

    def job() -> dict[str, Any]:
        return call(url, "GET", f"/jobs/{job_id}", headers=headers)

    eventually(lambda: job()["progress"]["step"] > 20, "some steps are made")
    # Then the web server alone has the keys
    below = first.descendants()
    if Path("/proc/self/environ").exists():
        holders = set()
        for pid, command in below.items():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                if key.encode() in Path(f"/proc/{pid}/environ").read_bytes():
                    holders |= {name for name in ("valkey-server", "gunicorn", "celery") if name in command}
        assert holders == {"gunicorn"}
    # When it is asked to end, and started again
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait() == 0
    eventually(first.all_gone, "everything is gone")
    second = run("up", "--port", "0", "--data", str(data_dir), **keys)
    url = running_url(second)

    def goes_on() -> bool:
        found = job()
        return bool(found["status"] == "running" and found["attempt"] == 2 and found["progress"]["step"] > 20)

    # Then the training goes on
    eventually(goes_on, "the training goes on")
    # And when it is killed meanwhile, nothing is left
    log = data_dir / "logs" / "up.log"
    before = log.read_text()
    second.descendants()
    second.process.kill()
    second.process.wait()
    eventually(second.all_gone, "every process is gone")
    assert "all stopped" in log.read_text()[len(before) :]
    assert key not in first.printed + second.printed
    for written in (data_dir / "logs").glob("*.log"):
        assert key not in written.read_text(), written


def test_a_second_start_on_the_same_data_says_where_the_first_one_serves(command: Cli, service: Service) -> None:
    second = command("up", "--port", "0", "--data", str(service.data_dir))

    assert second.exit_code == 1
    assert service.url in second.printed
    assert str(service.up.process.pid) in second.printed
    assert httpx.get(f"{service.url}/readyz", trust_env=False).is_success, "the first one is none the worse for it"


def test_a_busy_port_is_named_before_anything_starts(command: Cli, data_dir: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        up = command("up", "--port", str(port), "--data", str(data_dir))

    assert up.exit_code == 1
    assert f"Port {port} is in use" in up.printed
    assert f"PORT={port + 1}" in up.printed
    assert not (data_dir / "logs").exists()


def test_a_killed_worker_is_named_and_restarted(service: Service) -> None:
    def workers() -> set[int]:
        return {pid for pid, args in service.up.descendants().items() if "celery" in args}

    before = workers()
    os.kill(min(before), signal.SIGKILL)

    service.up.wait_for("The worker was killed by signal 9")
    eventually(lambda: workers() - before, "another worker")


def test_while_it_waits_for_a_redis_that_is_away_it_can_be_ended(run: Run, data_dir: Path) -> None:
    up = run("up", "--port", "0", "--data", str(data_dir), CHARLOOM_REDIS_URL="redis://127.0.0.1:1/0", TZ="UTC")
    up.wait_for("Starting")
    up.process.send_signal(signal.SIGINT)  # a Redis that is away may come; until then it waits, and can be ended
    up.process.wait()
    eventually(up.all_gone, "everything is gone")


@pytest.mark.parametrize(
    ("name", "value"),
    [("CHARLOOM_PORT", "eight"), ("CHARLOOM_PROT", "8001"), ("CHARLOOM_HOST", "0.0.0.0")],  # noqa: S104
)
def test_a_wrong_setting_stops_the_start_with_its_name(command: Cli, data_dir: Path, name: str, value: str) -> None:
    up = command("up", "--data", str(data_dir), stdin=None, **{name: value})
    assert up.exit_code == 1
    assert name in up.printed


def test_it_prints_its_url_and_ctrl_c_ends_every_process(service: Service) -> None:
    """The last of this file: it ends the service of the others."""
    assert httpx.get(f"{service.url}/readyz", trust_env=False).status_code == httpx.codes.OK
    below = " ".join(service.up.descendants().values())
    for part in ("valkey-server", "gunicorn", "celery", "cli.service.guardian"):
        assert part in below

    service.up.process.send_signal(signal.SIGINT)

    assert service.up.process.wait() == 0
    eventually(service.up.all_gone, "everything is gone")
    assert "\x1b" not in service.up.printed, "no control characters in a pipe"
