"""An upgrade and a rollback under load: web server and worker of another version next to those of this one.

    python -m bench.chaos.upgrade [REF]      a tag, branch or commit; by default that of tests/versions/before.py

A training begins on a worker of one version and moves to that of the other when the first is drained, which is then
started again; so is the second one. Meanwhile both web servers take trainings and texts, and whichever worker can runs
them. Then the upgrade is undone: this version's processes stop, Redis is emptied, and the other version restores all
jobs from the volume and runs another training and another text. Every job must succeed, and the training that moved
must end with the weights of one that was left alone. Prints one JSON line last.
"""

import argparse
import hashlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cli.service import ports
from cli.service import valkey as embedded
from shared.store import connect
from tests.faults.jobs import TRAINING
from tests.versions.before import check_out, version_before
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
#: Trainings and texts that are sent while both versions run.
TRAININGS, TEXTS = 4, 8
WITHIN_S = 900


@dataclass
class Version:
    """The processes of one version."""

    name: str
    root: Path
    environment: Mapping[str, str]
    logs: Path
    url: str = ""
    worker: "subprocess.Popen[bytes] | None" = None
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def start(self, stack: ExitStack, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a process in this version's checkout; it ends with the stack."""
        paths = {"PYTHONPATH": f"{self.root}:{self.root / 'client' / 'src'}"}
        log = stack.enter_context((self.logs / f"{self.name}-{words[0]}.log").open("ab"))
        environment = {**self.environment, **paths, **variables}
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=self.root, env=environment, stdout=log, stderr=log
        )
        stack.callback(_end, process)
        self.processes.append(process)
        return process

    def start_web(self, stack: ExitStack) -> None:
        """Start the web server and wait for it."""
        port = ports.find_free("127.0.0.1")
        self.url = f"http://127.0.0.1:{port}"
        self.start(stack, "gunicorn", "web:create_app()", CHARLOOM_PORT=str(port))
        eventually(lambda: _answers(f"{self.url}/readyz"), f"the {self.name} web server answers", within_s=WITHIN_S)

    def start_worker(self, stack: ExitStack) -> None:
        """Start the worker and wait until it is seen."""
        self.worker = self.start(stack, "celery", "-A", "worker", "worker", "-n", f"{self.name}@upgrade")
        seen = f"{self.url}/api/v1/workers"
        eventually(
            lambda: f"{self.name}@upgrade" in httpx.get(seen).text, f"the {self.name} worker is seen", within_s=WITHIN_S
        )

    def drain(self) -> None:
        """Stop the worker, and wait for it."""
        assert self.worker is not None
        _end(self.worker)

    def send(self, path: str, body: Mapping[str, Any]) -> str:
        """Send a job to this version's web server, and return its id."""
        answer = httpx.post(f"{self.url}/api/v1/{path}", json=body, timeout=30).raise_for_status()
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        """Read a job from this version's web server."""
        found: dict[str, Any] = httpx.get(f"{self.url}/api/v1/jobs/{job_id}", timeout=30).raise_for_status().json()
        return found


def main() -> None:
    """Upgrade, mix, roll back, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ref", nargs="?", default=version_before(), help="the other version: a tag, branch or commit")
    ref = parser.parse_args().ref
    if ref is None:
        parser.error("this checkout's history is without the version before: git fetch --unshallow --tags")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="charloom-upgrade-")))
        environment = stack.enter_context(_service(folder))
        check_out(ref, folder / "old")
        old = Version("old", folder / "old", environment, folder)
        new = Version("new", ROOT, environment, folder)
        try:
            _report(ref, old, _run(stack, old, new))
        except BaseException:
            for log in sorted(folder.glob("*.log")):
                print(f"== {log.name}", *log.read_text().splitlines()[-30:], sep="\n", file=sys.stderr)
            raise


def _run(stack: ExitStack, old: Version, new: Version) -> list[dict[str, Any]]:
    """Return the jobs that were sent: first a training undisturbed, then one that moves twice, then all others."""
    old.start_web(stack)
    old.start_worker(stack)
    text = {"file": ("sample.txt", (ROOT / "shared" / "sample.txt").read_bytes())}
    answer = httpx.post(f"{old.url}/api/v1/corpora", files=text, timeout=30).raise_for_status()
    training = {"corpus_id": answer.json()["id"], "init_from": None, **TRAINING}
    undisturbed = old.send("train-jobs", training)
    _wait(old, [undisturbed])
    new.start_web(stack)
    new.start_worker(stack)
    moving = old.send("train-jobs", training)
    eventually(lambda: old.job(moving)["progress"]["step"] > 0, "the training has begun", within_s=WITHIN_S)
    first, second = (old, new) if old.job(moving)["worker"].startswith("old@") else (new, old)
    first.drain()
    eventually(lambda: new.job(moving)["attempt"] == 2, "the training has moved", within_s=WITHIN_S)
    first.start_worker(stack)
    model_id = old.job(undisturbed)["result"]["model_id"]
    webs = itertools.cycle((old, new))
    # An old worker leaves trainings of the new web server to the new one if it doesn't know their options.
    sent = [next(webs).send("train-jobs", {**training, "epochs": 2}) for _ in range(TRAININGS)]
    sent += [next(webs).send("generate-jobs", {"model_id": model_id, "length": 100}) for _ in range(TEXTS)]
    second.drain()
    second.start_worker(stack)
    jobs = [undisturbed, moving, *sent]
    _wait(old, jobs)
    found = [old.job(job_id) for job_id in jobs]
    assert _outcomes(found) == _outcomes([new.job(job_id) for job_id in jobs])
    later = _roll_back(old, new, training, model_id, jobs=len(jobs))
    assert _outcomes(found) == _outcomes([old.job(job_id) for job_id in jobs])
    return found + [old.job(job_id) for job_id in later]


def _outcomes(jobs: list[dict[str, Any]]) -> list[Any]:
    return [(job["status"], job["result"]) for job in jobs]


def _roll_back(old: Version, new: Version, training: Mapping[str, Any], model_id: str, *, jobs: int) -> list[str]:
    """Go back to the other version alone, on an empty Redis, and return the jobs that are sent then."""
    for process in new.processes:
        _end(process)
    with connect(old.environment["CHARLOOM_REDIS_URL"]) as client:
        client.flushall()
    shown = f"{old.url}/api/v1/jobs?limit=100"
    eventually(
        lambda: len(httpx.get(shown, timeout=30).json()["data"]) == jobs, "all jobs are restored", within_s=WITHIN_S
    )
    text = {"model_id": model_id, "length": 100}
    later = [old.send("train-jobs", {**training, "epochs": 2}), old.send("generate-jobs", text)]
    _wait(old, later)
    return later


def _report(ref: str, old: Version, found: list[dict[str, Any]]) -> None:
    errors = [job["error"] for job in found if job["status"] != "succeeded"]
    weights = [_weights(old, job["result"]["model_id"]) for job in found[:2] if job["result"]]
    print(
        json.dumps(
            {
                "bench": "upgrade",
                "other_version": ref,
                "jobs": len(found),
                "ended": Counter(job["status"] for job in found),
                "by_worker": Counter(job["worker"] for job in found),
                "attempts_of_the_moved": found[1]["attempt"],
                "same_weights": len(weights) == 2 and len(set(weights)) == 1,
                "errors": errors,
            }
        )
    )
    if errors:
        sys.exit(1)


def _weights(version: Version, model_id: str) -> str:
    path = Path(version.environment["CHARLOOM_DATA_DIR"]) / "models" / model_id / "weights.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _wait(version: Version, jobs: list[str]) -> None:
    deadline = time.monotonic() + WITHIN_S
    for job_id in jobs:
        while version.job(job_id)["status"] in ("queued", "running"):
            assert time.monotonic() < deadline, f"{job_id} hasn't ended: {version.job(job_id)}"
            time.sleep(0.2)


@contextmanager
def _service(folder: Path) -> Iterator[Mapping[str, str]]:
    """Start a Valkey, and give the variables of all processes."""
    path = embedded.socket_path(folder)
    server = subprocess.Popen(embedded.server_command(folder, path), stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: embedded.responds(path), "Valkey answers")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARLOOM_")}
        yield {
            **kept,
            "CHARLOOM_REDIS_URL": embedded.socket_url(path),
            "CHARLOOM_DATA_DIR": str(folder / "data"),
            "CHARLOOM_PACKAGED_BASES": "0",
            "CHARLOOM_TRAIN_THREADS": "1",
        }
    finally:
        server.kill()
        server.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


if __name__ == "__main__":
    main()
