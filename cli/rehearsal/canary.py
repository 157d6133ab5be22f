"""The canary: a short training on a text of its own, which can be sent again, and the removal of all that it left.

What it left is found by the text's name, which nothing else has, so that an answer that never arrived loses nothing.
"""

import hashlib
import math
import secrets
import tempfile
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from charloom import Charloom, Conflict, Corpus, Job, NotFound
from cli.service.service import ROOT

#: Characters of the sample that the canary trains on.
TEXT_CHARS = 12_000
#: Epochs where no worker has measured its speed yet.
DEFAULT_EPOCHS = 40
#: 16 rows are computed by one thread on every host, and float32 by the same code with and without bfloat16.
OPTIONS: Mapping[str, Any] = {
    "init_from": None,
    "items": None,
    "hidden_size": 64,
    "batch_size": 16,
    "dropout": 0.0,
    "patience": 0,
    "precision": "float32",
    "sample_chars": 0,
    "checkpoint_seconds": 1,
    "seed": 7,
}
_WEIGHTS = "weights.safetensors"
#: Seconds that a cancelled job may take to end.
_END_S = 60.0


class Canary:
    """Trainings by the same request."""

    def __init__(self, client: Charloom) -> None:
        self._client = client
        self.name = f"rehearsal-{secrets.token_hex(6)}"
        self._corpus_id = ""
        self._epochs = DEFAULT_EPOCHS

    def prepare(self, *, seconds: float) -> None:
        """Upload its text, and choose the number of epochs for about this many seconds on the current workers."""
        sample = (ROOT / "shared" / "sample.txt").read_text("utf-8")[:TEXT_CHARS]
        self._corpus_id = self._client.corpora.add_text(f"{sample}\n{self.name}\n", name=self.name).id
        estimate = self._client.estimate(self._corpus_id, **OPTIONS, epochs=DEFAULT_EPOCHS)
        if estimate.seconds:
            self._epochs = min(10_000, max(4, math.ceil(DEFAULT_EPOCHS * seconds / estimate.seconds)))

    def train(self) -> Job:
        """Send the training and return its job."""
        options = {**OPTIONS, "epochs": self._epochs, "name": self.name, "metadata": {"rehearsal": self.name}}
        return self._client.train(self._corpus_id, **options)

    def lengthen(self) -> None:
        """Let the next trainings take four times as long."""
        self._epochs = min(10_000, 4 * self._epochs)

    def weights(self, job: Job) -> str:
        """Return the SHA-256 of the weights that a job has made. Raises JobFailed."""
        with tempfile.TemporaryDirectory(prefix="charloom-") as folder:
            path = self._client.models.download(job.check().model_id, Path(folder) / "bundle.zip")
            with zipfile.ZipFile(path) as bundle:
                return hashlib.sha256(bundle.read(_WEIGHTS)).hexdigest()

    def remove(self) -> None:
        """Cancel its jobs that live, and delete its models and its text. Raises CharloomError."""
        for corpus in self._client.corpora.list(name=self.name):
            for job in self._client.jobs.list(corpus_id=corpus.id):
                if not job.ended:
                    self._end(job)
            for model in self._client.models.list(corpus_id=corpus.id):
                self._client.models.delete(model)
            self._delete(corpus)

    def _end(self, job: Job) -> None:
        with suppress(Conflict):  # it has ended meanwhile, or is about to
            self._client.jobs.cancel(job)
        self._client.jobs.wait(job, timeout_s=_END_S)

    def _delete(self, corpus: Corpus) -> None:
        deadline = time.monotonic() + _END_S
        while True:
            try:
                return self._client.corpora.delete(corpus)
            except NotFound:
                return None
            except Conflict:  # a request of which no answer came may still make a job
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
