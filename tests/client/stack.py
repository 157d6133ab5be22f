"""A whole service for tests of those who call it: Valkey, gunicorn, a Celery worker; its web process can be killed."""

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import redis

from charloom import AnyEvent, Charloom, Corpus, Job, Model, SucceededJob
from charloom.events import read_event
from cli.service.shutdown import is_process_running
from tests.processes import below
from tests.waiting import eventually
from tests.web.serving import Served, serve
from tests.worker.cluster import ENDLESS, MIDDLING, ROOT, SMALL, Cluster

__all__ = ["ENDLESS", "MIDDLING", "SAMPLE", "SMALL", "Stack", "stacked"]

SAMPLE = ROOT / "shared" / "sample.txt"


class Stack:
    """A service, and a client of it."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self._redis_url = redis_url
        self._folder = folder
        self._web = ExitStack()
        self.cluster = Cluster.make(redis_url, folder / "data", folder, lease_ttl_s="3", train_threads="1")
        self.served: Served = self._web.enter_context(serve(redis_url, folder))
        self.loom = Charloom(self.served.url)

    @property
    def url(self) -> str:
        """Where it serves, before and after a restart."""
        return self.served.url

    @property
    def up(self) -> bool:
        """Whether the web server runs."""
        return self.served.process.poll() is None

    def kill_web(self) -> None:
        """Kill the web server's master and all its children, as a crash would."""
        children = below(self.served.process.pid)
        self.served.process.kill()
        self.served.process.wait()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        eventually(lambda: not any(is_process_running(child) for child in children), "all of it is gone")

    def end_web(self) -> None:
        """Stop the web server by SIGTERM."""
        self.served.terminate()

    def listed(self, job: Job) -> list[AnyEvent]:
        """Return all events of a job from the JSON pages of the API."""
        found: list[AnyEvent] = []
        while True:
            asked = {"after": found[-1].id} if found else {}
            page = httpx.get(f"{self.url}/api/v1/jobs/{job.id}/events", params=asked, trust_env=False).json()
            found += [read_event(id=event["id"], type=event["type"], data=event["data"]) for event in page["data"]]
            if not page["has_more"]:
                return found

    def start_web(self) -> None:
        """Start the web server again on the same port."""
        self._web.close()
        self.served = self._web.enter_context(serve(self._redis_url, self._folder, CHARLOOM_PORT=str(self.served.port)))

    def corpus(self) -> Corpus:
        """Return the sample text."""
        return self.loom.corpora.add(SAMPLE)

    def train(self, **options: object) -> SucceededJob:
        """Train for a second or two and return the ended job."""
        job = self.loom.train(self.corpus(), **{**SMALL, **options})
        return self.loom.jobs.wait(job, timeout_s=120).check()

    def model(self) -> Model:
        """Return a model of the sample text."""
        for model in self.loom.models.list():
            return model
        return self.loom.models.get(self.train().model_id)

    def close(self) -> None:
        """Stop the web server."""
        self.loom.close()
        self._web.close()


@contextmanager
def stacked(valkey: str, folder: Path) -> Iterator[Stack]:
    """Run a service around a block."""
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
    stack = Stack(valkey, folder)
    try:
        with stack.cluster.worker():
            yield stack
    finally:
        stack.close()
