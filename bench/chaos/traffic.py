"""Sends jobs to a site without a pause, as its users would, and remembers what each must give."""

import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.faults.jobs import Client

#: Trainings that are kept live, and seconds between two writing jobs.
TRAININGS, WRITE_EVERY_S = 4, 1.5
#: Share of the trainings that somebody cancels.
CANCELLED = 0.08


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One job that the API has taken."""

    job_id: str
    #: "train" or "generate".
    kind: str
    #: Which of the references it must equal.
    seed: int


class Traffic:
    """A thread that sends until it is stopped."""

    def __init__(self, client: Client, model_id: str, seeds: tuple[int, ...], seed: int) -> None:
        self._client, self._model_id, self._seeds, self._random = client, model_id, seeds, random.Random(seed)
        self.sent: list[Sent] = []
        #: Jobs whose cancel was taken.
        self.cancelled: set[str] = set()
        self.errors: list[str] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Send nothing more."""
        self._closing.set()

    def join(self) -> None:
        """Wait until what was being sent is taken."""
        self._thread.join()

    def _run(self) -> None:
        live: set[str] = set()
        write_at = 0.0
        while not self._closing.wait(0.2):
            live = {job_id for job_id in live if not self._has_ended(job_id)}
            if len(live) < TRAININGS:
                live.add(self._send("train"))
            elif time.monotonic() >= write_at:
                write_at = time.monotonic() + WRITE_EVERY_S
                self._send("generate")
            if live and self._random.random() < CANCELLED / 30:
                self._cancel(self._random.choice(sorted(live)))
            live.discard("")

    def _send(self, kind: str) -> str:
        seed = self._random.choice(self._seeds)
        client = self._client
        try:
            job_id = client.train(seed=seed) if kind == "train" else client.write(self._model_id, seed=seed)
        except AssertionError as exc:
            self.errors.append(str(exc))
            return ""
        self.sent.append(Sent(job_id=job_id, kind=kind, seed=seed))
        return job_id

    def _has_ended(self, job_id: str) -> bool:
        answer = self._client.ask("GET", f"/jobs/{job_id}")
        return answer is not None and (answer.status_code == 404 or _ended(answer))

    def _cancel(self, job_id: str) -> None:
        answer = self._client.ask("POST", f"/jobs/{job_id}/cancel")
        if answer is not None and answer.is_success:
            self.cancelled.add(job_id)


def _ended(answer: httpx.Response) -> bool:
    job: Mapping[str, Any] = answer.json()
    return answer.is_success and bool(job["finished_at"])
