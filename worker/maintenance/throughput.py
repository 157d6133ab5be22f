"""How fast trainings are here: measured at the start, corrected by those that end, reported with the heartbeat."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shared.errors import VolumeUnavailable
from shared.jobs.record import Job, JobType
from shared.requests.estimate import Speed
from shared.requests.options import AnyTrainRequest, ClassicRequest, StreamRequest
from shared.store import Store
from shared.volume import Volume
from worker.training.measure import Measurement

log = logging.getLogger(__name__)

_REQUEST: TypeAdapter[StreamRequest | ClassicRequest] = TypeAdapter(AnyTrainRequest)
#: A training's speed counts after this many steps: the first are slower.
_MIN_STEPS = 20


class ThroughputMeter:
    """The speed of this host's trainings, once it is measured. Not thread-safe."""

    def __init__(self, store: Store, volume: Volume, *, threads: int) -> None:
        """Start to measure on this many threads; 0: this worker takes no trainings."""
        self._store, self._volume = store, volume
        self._measurement = Measurement(threads) if threads else None
        self._speed: Speed | None = None
        self._running: frozenset[str] = frozenset()

    def check(self, running: Sequence[str]) -> Mapping[str, Any]:
        """Update the speed by the measurement and by trainings that have ended, and return it as it is reported.

        Raises StoreUnavailable.
        """
        if self._speed is None and self._measurement is not None:
            self._speed = self._measurement.found()
        ended, self._running = self._running - frozenset(running), frozenset(running)
        for job_id in ended:
            job = self._store.jobs.find(job_id)
            if job is not None and self._speed is not None:
                self._speed = self._corrected(self._speed, job)
        return self._speed.as_json() if self._speed is not None else {}

    def stop(self) -> None:
        """Stop a measurement that is still running."""
        if self._measurement is not None:
            self._measurement.stop()

    def _corrected(self, speed: Speed, job: Job) -> Speed:
        measured = job.progress.chars_per_second
        if job.type is not JobType.TRAIN or not measured or job.progress.step < _MIN_STEPS:
            return speed
        try:
            request = _REQUEST.validate_python(job.params)
            corpus = self._volume.corpora.find(request.corpus_id)
        except (ValidationError, VolumeUnavailable) as exc:
            log.info("The speed of %s can't be used: %s", job.id, exc)
            return speed
        if corpus is None:
            return speed
        chars, vocab_size = corpus.normalized_size(lowercase=request.lowercase, drop_bom=request.kind.drops_bom)
        return speed.corrected(request, chars=chars, vocab_size=vocab_size, chars_per_second=measured)
