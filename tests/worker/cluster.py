"""A real worker for the tests: `celery -A worker worker` in a process of its own, on the test's store and volume."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shared.broker import Broker
from shared.ids import model_id_of, new_id
from shared.jobs.record import MAKES_MODEL, Job, JobType, NewJob, Queue, Status
from shared.requests.options import StreamRequest
from shared.settings import Settings, load
from shared.store import Store
from shared.volume import Corpus, Volume
from shared.volume_guard import VolumeGuard
from tests.preloaded import popen
from tests.preloaded_process import SLOWER_CHECKPOINT_SECONDS
from tests.waiting import eventually
from web.submission.enqueue import Submitter
from worker.jobs.attempt import Attempt, WorkerContext
from worker.jobs.lease import Lease
from worker.jobs.lease_renewer import LeaseRenewer
from worker.jobs.model_cache import ModelCache
from worker.jobs.reporter import Reporter
from worker.jobs.step_log import StepLog

ROOT = Path(__file__).parents[2]
#: A training of a second or two on the repository's own sample.
SMALL: Mapping[str, Any] = {
    "init_from": None,
    "hidden_size": 32,
    "epochs": 2,
    "sample_chars": 20,
    "seed": 7,
    "batch_size": 16,
}

# A worker from tests/preloaded.py sleeps in each batch of these.
_LONGER: Mapping[str, Any] = {**SMALL, "patience": 0, "checkpoint_seconds": SLOWER_CHECKPOINT_SECONDS}
#: Some seconds long on the fixture `corpus`, saved every second: time to be stopped in.
MIDDLING: Mapping[str, Any] = {**_LONGER, "epochs": 3}
#: Runs until it is stopped.
ENDLESS: Mapping[str, Any] = {**_LONGER, "epochs": 10_000}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A store, a volume, a broker, and as many workers as are started."""

    settings: Settings
    environment: Mapping[str, str]
    store: Store
    volume: Volume
    broker: Broker
    logs: Path

    @classmethod
    def make(cls, redis_url: str, data_dir: Path, logs: Path, **settings: str) -> "Cluster":
        """Make one without workers; `settings` are CHARLOOM_ variables without their prefix, in lower case."""
        own = {"redis_url": redis_url, "data_dir": str(data_dir), "packaged_bases": "0", **settings}
        variables = {f"CHARLOOM_{name.upper()}": value for name, value in own.items()}
        read = load(variables)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CHARLOOM_")}
        return cls(
            settings=read,
            environment={**kept, **variables},
            store=Store.of(read),
            volume=Volume.of(read),
            broker=Broker.of(read),
            logs=logs,
        )

    @contextmanager
    def worker(self, name: str = "w1") -> Iterator["subprocess.Popen[bytes]"]:
        """Start a worker, wait until it is seen, and end it afterwards."""
        log = self.logs / f"{name}.log"
        with log.open("ab") as output:
            words = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-n", f"{name}@test"]
            process = popen(words, cwd=ROOT, environment=self.environment, stdout=output, new_session=True)
        try:
            eventually(
                lambda: process.poll() is not None or name in [info.name.split("@")[0] for info in self.seen()],
                f"{name} is seen",
            )
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    assert process.wait(timeout=60) == 0, log.read_text()
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    raise

    def seen(self) -> list[Any]:
        """Return the workers seen."""
        return list(self.store.workers.seen())

    def corpus(self, path: Path) -> Corpus:
        """Take a text in."""
        with path.open("rb") as file:
            return self.volume.corpora.add(file, name=path.name, max_bytes=2**28)[0]

    def corpus_of(self, text: str) -> Corpus:
        """Take these characters in."""
        return self.volume.corpora.add(io.BytesIO(text.encode()), name="a text", max_bytes=2**20)[0]

    def send(
        self,
        job_type: JobType,
        params: Mapping[str, Any],
        *,
        model_id: str = "",
        upload: Path | None = None,
        parent_id: str | None = None,
    ) -> str:
        """Send a job as the web does, and return its id."""
        job_id = new_id("job")
        made = model_id or (model_id_of(job_id) if job_type in MAKES_MODEL else "")
        job = NewJob(id=job_id, type=job_type, params=params, model_id=made, parent_id=parent_id)
        submitter = Submitter(store=self.store, broker=self.broker, volume=self.volume, max_upload_bytes=2**30)
        if upload is None:
            return submitter.submit(job).id
        with upload.open("rb") as file:
            return submitter.submit(job, file).id

    def train(self, corpus: Corpus, **options: Any) -> str:
        """Send a small training by `stream`, with these options changed, and return its id."""
        request = StreamRequest(corpus_id=corpus.id, name="a model", **{**SMALL, **options})
        return self.send(JobType.TRAIN, request.model_dump(mode="json"))

    def resume(self, job: Job) -> str:
        """Resume an ended training by a new job, and return its id."""
        return self.send(JobType.TRAIN, job.params, parent_id=job.id)

    def write(self, model_id: str, **options: Any) -> str:
        """Let a model write, and return the job's id."""
        params = {"model_id": model_id, "prompt": "there was a ", "seed": 3, "length": 100, **options}
        return self.send(JobType.GENERATE, params, model_id=model_id)

    def attempt(self, job_id: str, *, draining: Callable[[], bool] = lambda: False) -> Attempt:
        """Claim a job for an attempt in this process, its lease kept by nobody."""
        claim = self.store.jobs.claim(job_id, worker="w1", lease_s=60, min_token=self.volume.jobs.min_token(job_id))
        assert claim is not None
        host = self.host(draining=draining)
        lease = Lease(self.store.jobs, claim, ttl_s=60, stall_s=60, lease_renewer=host.lease_renewer, draining=draining)
        reporter = Reporter(self.store.jobs, claim, saw_cancel=lease.saw_cancel, every_s=1)
        return Attempt(host=host, job=claim.job, token=claim.token, lease=lease, reporter=reporter)

    def host(self, *, draining: Callable[[], bool] = lambda: False) -> WorkerContext:
        """Return what a worker's child has, for jobs that run in this process."""
        return WorkerContext(
            name="w1",
            owner_id="w1",
            settings=self.settings,
            store=self.store,
            volume=self.volume,
            volume_guard=VolumeGuard(self.store, self.volume),
            train_threads=1,
            step_log=StepLog(None),
            lease_renewer=LeaseRenewer(),
            model_cache=ModelCache(self.volume),
            draining=draining,
        )

    def mute(self) -> "Cluster":
        """Return a cluster whose messages are lost, as those of a web process that is killed before it sends."""

        class Mute(Broker):
            def send(self, job_id: str, queue: Queue) -> None:
                """Lose it."""

        return replace(self, broker=Mute.of(self.settings))

    def weights(self, job: Job) -> bytes:
        """Return the weights that a job has made."""
        assert job.status is Status.SUCCEEDED, job.error
        return (self.volume.models.folder(model_id_of(job.id)) / "weights.safetensors").read_bytes()

    def ended(self, job_id: str, *, within_s: float = 120) -> Job:
        """Wait for a job's end and return its record."""
        eventually(lambda: self.store.jobs.get(job_id).ended, f"{job_id} ends", within_s=within_s)
        return self.store.jobs.get(job_id)

    def running(self, job_id: str, *, step: int = 1) -> Job:
        """Wait until a job has made some steps."""

        def condition() -> Job | None:
            job = self.store.jobs.get(job_id)
            assert not job.ended, job
            return job if job.status is Status.RUNNING and job.progress.step >= step else None

        found = eventually(condition, f"{job_id} makes step {step}")
        assert found is not None
        return found
