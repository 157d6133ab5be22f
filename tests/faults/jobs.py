"""What a person with `curl` does: jobs sent over HTTP, again where no answer came, and waited for."""

import signal
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

from tests.faults.judge import job_of
from tests.faults.site import Site, tail
from tests.preloaded_process import SLOW_CHECKPOINT_SECONDS
from tests.waiting import eventually

#: Some seconds of training, saved every second; a worker from tests/preloaded.py takes 60 ms more for each batch.
TRAINING: dict[str, Any] = {
    "hidden_size": 32,
    "epochs": 5,
    "patience": 0,
    "batch_size": 16,
    "sample_chars": 20,
    "seed": 7,
    "checkpoint_seconds": SLOW_CHECKPOINT_SECONDS,
}


class Client:
    """A client of one site that doesn't give up; `options` change all trainings that it sends."""

    def __init__(self, site: Site, **options: Any) -> None:
        self._site = site
        self._options = {**TRAINING, **options}
        self._api = site.api()
        self.corpus_id = ""

    def close(self) -> None:
        """Close its connections."""
        self._api.close()

    def add_corpus(self, path: Path) -> None:
        """Upload the text that all trainings here learn from."""
        answer = self._api.post(
            "/corpora", params={"name": path.name}, content=path.read_bytes(), headers={"Content-Type": "text/plain"}
        )
        self.corpus_id = answer.raise_for_status().json()["id"]

    def train(self, **options: Any) -> str:
        """Send a training and return its id."""
        return self.send("/train-jobs", {"corpus_id": self.corpus_id, "name": "a model", **self._options, **options})

    def write(self, model_id: str, **options: Any) -> str:
        """Send a writing job and return its id."""
        body = {"model_id": model_id, "prompt": "there was a ", "length": 100, "seed": 3, **options}
        return self.send("/generate-jobs", body)

    def send(self, path: str, body: dict[str, Any], *, within_s: float = 60) -> str:
        """Post a job, again and again where the server is away or busy, by one key; return its id."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        refusals: list[str] = []

        def post() -> str:
            try:
                answer = self._api.post(path, json=body, headers=headers)
            except httpx.HTTPError as exc:
                refusals.append(repr(exc))
                return ""
            if answer.status_code in (429, 503):
                refusals.append(answer.text)
                time.sleep(0.1)  # it asks for more; a test is less polite
                return ""
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        try:
            return eventually(post, f"POST {path} is taken", within_s=within_s)
        except AssertionError as exc:
            raise AssertionError(f"{exc}; {len(refusals)} tries, the last: {refusals[-3:]}") from exc

    def get(self, job_id: str) -> dict[str, Any]:
        """Return a job."""
        return job_of(self._api, job_id)

    def ask(self, method: str, path: str) -> httpx.Response | None:
        """Ask once; None where no answer comes, or none but that it's away."""
        try:
            answer = self._api.request(method, path)
        except httpx.HTTPError:
            return None
        return None if answer.status_code in (429, 503) else answer

    def wait(self, job_id: str, *, within_s: float) -> None:
        """Wait until a job has ended or is not known, for so long at most."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            answer = self.ask("GET", f"/jobs/{job_id}?wait=1")
            if answer is not None and (answer.status_code == 404 or answer.json()["finished_at"]):
                return
            time.sleep(0.05)

    def ended(self, job_id: str, *, within_s: float = 120) -> dict[str, Any]:
        """Wait for a job's end, whatever becomes of the server meanwhile, and return it."""

        def condition() -> dict[str, Any] | None:
            try:
                answer = self._api.get(f"/jobs/{job_id}", params={"wait": 1})
            except httpx.HTTPError:
                return None
            found: dict[str, Any] = answer.json()
            return found if answer.is_success and found["finished_at"] else None

        try:
            found = eventually(condition, f"{job_id} ends", within_s=within_s)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{self.get(job_id)}\n{tail(self._site)}") from exc
        assert found is not None
        return found

    def saved(self, job_id: str) -> int:
        """Wait until a training runs and has a state on the volume; return the number of the host that runs it."""

        def condition() -> int:
            job = self.get(job_id)
            assert not job["finished_at"], job
            states = self._site.volume.jobs.states(job_id)
            return int(job["worker"].removeprefix("host").split("@")[0]) if job["worker"] and states else 0

        return eventually(condition, f"{job_id} has saved a state")


def pause(seconds: float) -> None:
    """Let a fault last: the one place where time itself is what is tried."""
    time.sleep(seconds)


def stop(site: Site, number: int) -> None:
    """Stop all processes of a host."""
    site.hosts[number].signal(signal.SIGSTOP, group=True)


def go_on(site: Site, number: int) -> None:
    """Wake all processes of a host."""
    site.hosts[number].signal(signal.SIGCONT, group=True)
