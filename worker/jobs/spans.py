"""The spans of attempts at jobs, and of the phases of a training."""

import hashlib
import time
from collections.abc import Callable

from shared.jobs.record import Job
from shared.tracing import Span, Tracer
from worker.training.events import Metric, TrainEvent

#: A span ends with the first epoch that ends when the span has taken this share of the time so far: 28,000 epochs of a
#: second make some 200 spans.
_SHARE = 0.05


def begin_attempt(tracer: Tracer, job: Job, *, began_ms: int | None = None) -> Span:
    """Begin the span of a job's current attempt, below the request that submitted the job.

    Its id comes from the attempt: if a worker is lost, the worker that notices reports its attempt, and exported phases
    find their parent.
    """
    span_id = hashlib.sha256(f"{job.id} {job.token}".encode()).digest()[:8]
    return tracer.begin(
        f"{job.type} attempt",
        parent=job.traceparent,
        kind="consumer",
        attributes={
            "messaging.system": "charloom",
            "messaging.operation.type": "process",
            "messaging.destination.name": job.queue,
            "charloom.job.id": job.id,
            "charloom.job.type": job.type,
            "charloom.job.parent_id": job.parent_id,
            "charloom.request_id": job.request_id,
            "charloom.attempt": job.attempt,
            "charloom.worker": job.worker,
        },
        span_id=int.from_bytes(span_id) or 1,
        began_ms=began_ms,
    )


class TrainingSpans:
    """The spans of a training below the current one: until its first event, then of epochs, one or several in each."""

    def __init__(self, tracer: Tracer, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tracer, self._clock = tracer, clock
        self._span = tracer.begin("load")
        self._loads, self._epochs = True, 0
        self._first = self._began = clock()

    def follow(self, event: TrainEvent) -> None:
        """Note what an event says: that the text is read and the model made, or that an epoch has ended."""
        now = self._clock()
        if self._loads:
            self._loads, self._first = False, now
            self._next(now)
        if isinstance(event, Metric):
            self._epochs += 1
            self._span.set(
                {
                    "charloom.epoch": event.epoch,
                    "charloom.epochs": self._epochs,
                    "charloom.train_loss": event.train_loss,
                    "charloom.validation_loss": event.validation_loss,
                }
            )
            if now - self._began >= _SHARE * (now - self._first):
                self._next(now)

    def close(self) -> None:
        """End what is left: the span of the load, or of the epochs since the last one. An unfinished epoch has none."""
        if self._loads or self._epochs:
            self._span.end()
        self._loads, self._epochs = False, 0

    def _next(self, now: float) -> None:
        self._span.end()
        self._span, self._epochs, self._began = self._tracer.begin("epoch"), 0, now
