"""Records a job's progress and events, no more often than people can read; keeps them while Redis is away."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shared.errors import StoreUnavailable
from shared.jobs.events import Event, EventType
from shared.jobs.record import JobError, Losses, Progress, Status
from shared.store import Claim, JobStore

#: Fewest seconds between two records: of progress and of text.
RECORD_S = 0.1
TEXT_S = 0.05
#: Seconds until the next try after Redis has failed.
AWAY_S = 0.5


class Reporter:
    """Collects events of one attempt and records them in batches."""

    def __init__(
        self,
        jobs: JobStore,
        claim: Claim,
        *,
        saw_cancel: Callable[[bool], None],
        every_s: float = RECORD_S,
        first_s: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with nothing to report: the first record is due in `first_s` seconds, the others `every_s` apart."""
        self._jobs = jobs
        self._id = claim.job.id
        self._token = claim.token
        self._saw_cancel = saw_cancel
        self._every_s = every_s
        self._clock = clock
        self._next = clock() + first_s
        self._events: list[Event] = []
        self._progress: Progress | None = None
        self._latest = claim.job.progress
        self._losses: Losses | None = None
        self._saved_work: float | None = None
        self._characters = 0

    def add(self, kind: EventType, data: Mapping[str, Any]) -> None:
        """Report an event."""
        self._events.append(Event(type=kind, data=data))

    def log(self, message: str) -> None:
        """Report a message."""
        self.add(EventType.LOG, {"message": message})

    def progress(self, progress: Progress, losses: Losses | None = None) -> None:
        """Report how far the job is; only the newest report before a flush is recorded."""
        self._progress = self._latest = progress
        self._losses = losses or self._losses

    def processed(self, characters: int) -> None:
        """Count characters that were trained on or written."""
        self._characters += characters

    def complete(self, *, step: int, losses: Losses | None = None) -> None:
        """Report that nothing is left to do after `step` steps, however many were planned, and the final losses."""
        self.progress(replace(self._latest, step=step, total_steps=step, fraction=1.0, eta_seconds=0.0), losses)

    def stopped(self, *, step: int) -> None:
        """Report the step whose state is saved; the last progress may be older."""
        if step != self._latest.step:
            self.progress(replace(self._latest, step=step, eta_seconds=None))

    def saved(self, work: float) -> None:
        """Record at once that a training state was saved that contains so much work. Raises LeaseLost."""
        self._saved_work, self._next = work, self._clock()
        self.flush()

    def flush(self, *, now: bool = False) -> None:
        """Record what was reported, if it is due or `now`. It is kept while Redis is away. Raises LeaseLost."""
        moment = self._clock()
        if moment < self._next and not now:
            return
        if not (self._events or self._progress or self._saved_work is not None):
            return
        try:
            cancel = self._jobs.record(
                self._id,
                self._token,
                progress=self._progress,
                losses=self._losses,
                events=self._pending(),
                saved_work=self._saved_work,
                characters=self._characters,
            )
        except StoreUnavailable:
            self._next = moment + AWAY_S
            if now:
                raise
            return
        self._saw_cancel(cancel)
        self._events.clear()
        self._progress = self._saved_work = None
        self._characters = 0
        self._next = moment + self._every_s

    def finish(self, status: Status, *, result: Mapping[str, Any] | None = None, error: JobError | None = None) -> None:
        """End the job and record in the same step what was reported last. Raises the same as `JobStore.finish`."""
        self._jobs.finish(
            self._id,
            self._token,
            status,
            result=result,
            error=error,
            progress=self._progress,
            losses=self._losses,
            events=self._pending(),
            characters=self._characters,
        )

    def _pending(self) -> list[Event]:
        """Return the events that are not recorded yet, the newest progress last."""
        if not self._progress:
            return list(self._events)
        data = {"progress": vars(self._progress), "metrics": vars(self._losses) if self._losses else None}
        return [*self._events, Event(type=EventType.PROGRESS, data=data)]
