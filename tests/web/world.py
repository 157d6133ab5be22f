"""A small world for the web's tests: an app on a real store and a real volume, and methods that act as a worker.

They call the store's own methods, so records and events are what a real one would leave.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import redis
from flask import Flask
from kombu import pools

from shared.ids import model_id_of, new_id
from shared.jobs.events import Event, EventType
from shared.jobs.record import JobError, Losses, Progress, Status
from shared.jobs.rows import Baselines, ModelLosses, NGram
from shared.requests.estimate import Speed
from shared.requests.recipes import RecipeName
from shared.settings import Settings, load
from shared.store import Claim, WorkerInfo, keys
from shared.text.items import ModelItems
from shared.text.vocabulary import Vocabulary
from shared.volume import Model, SavedState
from shared.volume.models import ModelFile, write_meta
from tests.web import quick_apps
from web import create_app
from web.services import Services

API = "/api/v1"
#: A test client's response. Its own type says that its JSON may be None, which would need checks in every test.
Reply: TypeAlias = Any
#: 2,400 characters, 20 of them distinct, 17 in lower case.
BOOK = "The wind was in the reeds.\nIt sang, and the river heard it all.\n" * 37 + "The end of the song.\n"


def settings_of(redis_url: str, data_dir: Path, **changes: str) -> Settings:
    """Make the settings of a test's app, without the bases that come with Charloom."""
    own = {"CHARLOOM_REDIS_URL": redis_url, "CHARLOOM_DATA_DIR": str(data_dir), "CHARLOOM_PACKAGED_BASES": "0"}
    return load(own | changes)


class World:
    """An app, a client of it, its store and its volume."""

    def __init__(self, settings: Settings) -> None:
        quick_apps.install()
        self.app: Flask = create_app(settings)
        self.http: Any = self.app.test_client()
        self.services: Services = self.app.extensions["charloom"]
        self._redis_url = settings.redis_url.get_secret_value()

    def close(self) -> None:
        """Close the connections."""
        self.services.event_hub.close()
        self.services.store.close()
        pools.reset()  # type: ignore[no-untyped-call]  # they are the process', one a broker's address

    # What a client does

    def corpus(self, text: str | bytes = BOOK, name: str = "Reeds") -> str:
        """Send a text and return its id."""
        answer = self.http.post(f"{API}/corpora?name={name}", data=text, content_type="text/plain")
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json["id"])

    def train(self, corpus_id: str, **options: Any) -> Reply:
        """Ask for a training."""
        return self.http.post(f"{API}/train-jobs", json={"corpus_id": corpus_id, **options})

    def write(self, model_id: str, **options: Any) -> Reply:
        """Ask for a writing."""
        return self.http.post(f"{API}/generate-jobs", json={"model_id": model_id, **options})

    def get(self, path: str, **options: Any) -> Reply:
        """Get something of the API."""
        return self.http.get(API + path, buffered=True, **options)

    # What a worker does

    def claim(self, job_id: str) -> Claim:
        """Claim a job for an hour."""
        claim = self.services.store.jobs.claim(job_id, worker="worker@loom-1", lease_s=3600)
        assert claim is not None
        return claim

    def record(self, claim: Claim, *events: tuple[EventType, Mapping[str, Any]], **figures: Any) -> None:
        """Report events and figures."""
        reported = [Event(type=kind, data=data) for kind, data in events]
        progress = Progress(**figures["progress"]) if "progress" in figures else None
        losses = Losses(**figures["losses"]) if "losses" in figures else None
        if progress:
            data = {"progress": vars(progress), "metrics": vars(losses) if losses else None}
            reported.append(Event(type=EventType.PROGRESS, data=data))
        self.services.store.jobs.record(claim.job.id, claim.token, progress=progress, losses=losses, events=reported)

    def save_state(self, claim: Claim, step: int = 40) -> None:
        """Leave a training state on the volume."""
        folder = self.services.volume.jobs.open_attempt(claim.job.id, claim.token)
        path = folder / f"state-{step}.safetensors"
        path.write_bytes(b"weights")
        self.services.volume.jobs.commit_state(folder, SavedState(path=path, sha256="ab", step=step))

    def finish(self, claim: Claim, result: dict[str, Any] | None = None) -> None:
        """End a job well."""
        self.services.store.jobs.finish(claim.job.id, claim.token, Status.SUCCEEDED, result=result or {})

    def fail(self, claim: Claim) -> None:
        """End a job badly."""
        error = JobError(code="diverged", detail="The loss blew up.", retryable=False)
        self.services.store.jobs.finish(claim.job.id, claim.token, Status.FAILED, error=error)

    def model(
        self,
        corpus_id: str | None = None,
        *,
        text: str = BOOK,
        name: str = "Reeds",
        recipe: RecipeName = "stream",
        job_id: str | None = None,
        formats: Sequence[str] = ("bundle",),
        parent_model_id: str | None = None,
        epochs_measured: int = 0,
        items: ModelItems | None = None,
        **params: Any,
    ) -> Model:
        """Publish a model that was trained on a text, as a worker leaves it on the volume."""
        params = {"recipe": recipe, "lowercase": True, "seq_length": 50, "hidden_size": 64, "layers": 1} | params
        params |= {"embedding_size": 0 if recipe == "classic" else 64, "corpus_id": corpus_id}
        job_id = job_id or new_id("job")
        folder = self.services.volume.folder / "models" / model_id_of(job_id)
        folder.mkdir(parents=True)
        files = {}
        for kind in formats:
            file = folder / {"bundle": "bundle.zip", "pth": "document.pth"}[kind]
            file.write_bytes(f"the {kind} of {name}, ".encode() * 1000)
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            files[kind] = ModelFile(name=file.name, bytes=file.stat().st_size, sha256=sha256)
        rows = [
            {
                "step": 9 * epoch,
                "epoch": epoch,
                "seconds": 1.5 * epoch,
                "train_loss": 3 / epoch,
                "validation_loss": 3.5 / epoch,
            }
            for epoch in range(1, epochs_measured + 1)
        ]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        model = Model(
            id=model_id_of(job_id),
            name=name,
            recipe=recipe,
            job_id=job_id,
            parent_model_id=parent_model_id,
            corpus_id=corpus_id,
            params=params,
            vocabulary=Vocabulary.of(text.lower() if params["lowercase"] else text).characters,
            parameters=12_345,
            losses=ModelLosses(
                train=1.25,
                validation=1.5,
                best_epoch=3,
                baselines=Baselines(unigram=3.0, ngram=NGram(order=6, loss=1.625), xz=1.875),
            ),
            files=files,
            created_at="2026-11-24T12:00:00.000Z",
            items=items,
        )
        write_meta(folder, model)
        return model

    def worker(
        self, *, memory_bytes: int = 8 << 30, name: str = "worker@loom-1", speed: float = 0, running: Sequence[str] = ()
    ) -> None:
        """Report a worker; `speed`, if given, in multiples of a modest one."""
        measured = Speed(seconds_per_position=2e-5 / speed, flops_per_second=50e9 * speed).as_json() if speed else {}
        info = WorkerInfo(
            name=name,
            host="loom-1",
            cores=2,
            cpu_quota=1.5,
            threads=1,
            bfloat16=False,
            memory_bytes=memory_bytes,
            versions={"torch": "2.13"},
            speed=measured,
            running=running,
            train_slots=1,
            generate_slots=1,
        )
        self.services.store.workers.report(info)

    # What is left

    def traces(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return every key in Redis and every file on the volume, but the volume's id, which any look at it makes."""
        with redis.Redis.from_url(self._redis_url, decode_responses=True) as client:
            found = frozenset(client.keys("*")) - {keys.VOLUME}
        folder = self.services.unguarded_volume.folder
        files = frozenset(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        return found, files - {"volume.json"}


def pointers(answer: Reply) -> list[str]:
    """Return where a problem finds wrong values."""
    assert answer.content_type == "application/problem+json", answer.text
    return [error["pointer"] for error in answer.json["errors"]]
