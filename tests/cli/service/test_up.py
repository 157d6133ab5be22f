"""`charloom up`, with everything real: Valkey, gunicorn, a Celery worker that trains."""

import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Run, Service, running_url
from tests.waiting import eventually

TEXT = ("The loom stood by the river, and the badger stood by the loom. " * 60).encode()


def call(url: str, method: str, path: str, **how: Any) -> dict[str, Any]:
    """Call the API."""
    answer = httpx.request(method, f"{url}/api/v1{path}", timeout=60, trust_env=False, **how)
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body


def train(url: str, **options: Any) -> str:
    """Start a training of a small network, and give its id."""
    corpus = call(url, "POST", "/corpora", files={"file": ("loom.txt", TEXT)})
    return str(call(url, "POST", "/train-jobs", json={"corpus_id": corpus["id"], "hidden_size": 16, **options})["id"])


@pytest.fixture
def short_path() -> Iterator[Path]:
    """Return a directory whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def test_it_prints_its_url_and_ctrl_c_ends_every_process(run: Run, data_dir: Path) -> None:
    up = run("up", "--port", "0", "--data", str(data_dir))
    url = running_url(up)
    assert httpx.get(f"{url}/readyz", trust_env=False).status_code == httpx.codes.OK
    below = " ".join(up.descendants().values())
    for part in ("valkey-server", "gunicorn", "celery", "cli.service.guardian"):
        assert part in below

    up.process.send_signal(signal.SIGINT)

    assert up.process.wait() == 0
    eventually(up.all_gone, "everything is gone")
    assert "\x1b" not in up.printed, "no control characters in a pipe"


def test_a_training_in_the_middle_goes_on_with_the_next_start(run: Run, data_dir: Path) -> None:
    first = run("up", "--port", "0", "--data", str(data_dir))
    url = running_url(first)
    job_id = train(url, epochs=10_000, patience=0, seed=1)
    eventually(lambda: call(url, "GET", f"/jobs/{job_id}")["progress"]["step"] > 20, "some steps are made")
    first.descendants()

    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait() == 0
    second = run("up", "--port", "0", "--data", str(data_dir))
    url = running_url(second)

    def goes_on() -> bool:
        job = call(url, "GET", f"/jobs/{job_id}")
        return bool(job["status"] == "running" and job["attempt"] == 2 and job["progress"]["step"] > 20)

    eventually(goes_on, "the training goes on")
    assert call(url, "POST", f"/jobs/{job_id}/cancel")["status"] in ("cancelling", "cancelled")
    eventually(lambda: call(url, "GET", f"/jobs/{job_id}")["status"] == "cancelled", "it is cancelled")


def test_when_it_is_killed_while_it_trains_every_process_below_it_is_gone(run: Run, data_dir: Path) -> None:
    up = run("up", "--port", "0", "--data", str(data_dir))
    url = running_url(up)
    job_id = train(url, epochs=10_000, patience=0)
    eventually(lambda: call(url, "GET", f"/jobs/{job_id}")["progress"]["step"] > 0, "it trains")
    up.descendants()

    up.process.kill()
    up.process.wait()

    eventually(up.all_gone, "every process is gone")
    log = (data_dir / "logs" / "up.log").read_text()
    assert "all stopped" in log


def test_a_second_start_on_the_same_data_says_where_the_first_one_serves(run: Run, service: Service) -> None:
    second = run("up", "--port", "0", "--data", str(service.data_dir))

    assert second.process.wait() == 1
    assert service.url in second.printed
    assert str(service.up.process.pid) in second.printed
    assert httpx.get(f"{service.url}/readyz", trust_env=False).is_success, "the first one is none the worse for it"


@pytest.mark.parametrize("command", ["up"])
def test_a_busy_port_is_named_before_anything_starts(run: Run, data_dir: Path, command: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        up = run(command, "--port", str(port), "--data", str(data_dir))

        assert up.process.wait() == 1
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


def test_with_a_redis_of_its_own_no_valkey_is_started(run: Run, data_dir: Path, redis_url: str) -> None:
    up = run("up", "--port", "0", "--data", str(data_dir), CHARLOOM_REDIS_URL=redis_url)
    running_url(up)
    assert "valkey-server" not in " ".join(up.descendants().values())
    assert not (data_dir / "valkey").exists()


@pytest.mark.parametrize("path", ["my data, 100 % mine", "deep" * 30])
def test_data_may_lie_under_any_path(run: Run, short_path: Path, path: str) -> None:
    up = run("up", "--port", "0", "--data", str(short_path / path))
    url = running_url(up)
    job_id = train(url, epochs=1)

    def ended() -> dict[str, Any]:
        job = call(url, "GET", f"/jobs/{job_id}", params={"wait": 10})
        return job if job["finished_at"] else {}

    job = eventually(ended, "the job has ended", within_s=120)
    assert job["status"] == "succeeded", job["error"]


def test_a_part_that_cannot_start_ends_it_with_the_reason(run: Run, data_dir: Path) -> None:
    up = run("up", "--port", "0", "--data", str(data_dir), CHARLOOM_REDIS_URL="redis://127.0.0.1:1/0", TZ="UTC")
    up.wait_for("Starting")
    up.process.send_signal(signal.SIGINT)  # a Redis that is away may come; until then it waits, and can be ended
    up.process.wait()
    eventually(up.all_gone, "everything is gone")


@pytest.mark.parametrize(
    ("name", "value"),
    [("CHARLOOM_PORT", "eight"), ("CHARLOOM_PROT", "8001"), ("CHARLOOM_HOST", "0.0.0.0")],  # noqa: S104
)
def test_a_wrong_setting_stops_the_start_with_its_name(run: Run, data_dir: Path, name: str, value: str) -> None:
    up = run("up", "--data", str(data_dir), **{name: value})
    assert up.process.wait() == 1
    assert name in up.printed
    assert "Traceback" not in up.printed


def test_with_keys_set_it_starts_is_locked_and_gives_them_to_the_web_server_alone(run: Run, data_dir: Path) -> None:
    key = "0123456789abcdef01234567"
    up = run("up", "--port", "0", "--data", str(data_dir), CHARLOOM_API_KEYS=f"anna:{key}")
    url = running_url(up)
    assert httpx.get(f"{url}/api/v1/jobs", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
    opened = httpx.get(f"{url}/api/v1/jobs", headers={"Authorization": f"Bearer {key}"}, trust_env=False)
    assert opened.status_code == httpx.codes.OK
    assert key not in up.printed
    if Path("/proc/self/environ").exists():
        holders = {
            name
            for pid, command in up.descendants().items()
            for name in ("valkey-server", "gunicorn", "celery")
            if name in command and key.encode() in Path(f"/proc/{pid}/environ").read_bytes()
        }
        assert holders == {"gunicorn"}
    for log in (data_dir / "logs").glob("*.log"):
        assert key not in log.read_text(), log
