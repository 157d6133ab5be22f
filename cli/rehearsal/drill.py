"""The drill: the canary trains, its worker fails, and its weights are compared with an undisturbed training's."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from charloom import AnyEvent, Charloom, Job, Silence, Worker
from charloom.events import DoneEvent, LogEvent, ProgressEvent, ResetEvent, StatusEvent
from cli.common.exit_codes import Exit, Failure
from cli.rehearsal.canary import Canary

#: Seconds without an event after which the drill looks at the clock.
_POLL_S = 1.0
#: Seconds that a released canary waits for another worker, before the drained one takes jobs again.
_PATIENCE_S = 30.0
#: How often the canary is sent again, longer, if it ended before its worker failed.
_TRIES = 3


class Fault(Protocol):
    """What happens to a worker."""

    #: Seconds that the canary trains before.
    after_s: float

    def strike(self, worker: Worker) -> None:
        """Let it happen. Raises Failure, CharloomError."""

    def withdraw(self) -> bool:
        """End it, if it lasts; return True if it did. Raises CharloomError."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What happened. Times are seconds since the fault, as seen from here."""

    job_id: str
    #: Where the canary ran when its worker failed, and where it ended.
    worker: str
    ended_on: str
    #: When the canary was in its queue again, and when it trained again; None if that wasn't seen.
    detected_s: float | None
    recovered_s: float | None
    #: The first step that was seen then.
    resumed_at_step: int | None
    #: Jobs of others that the worker had to release.
    moved: Sequence[str]
    #: The undisturbed training, and where it ran.
    undisturbed_job_id: str
    undisturbed_on: str
    same_weights: bool
    #: Whether the same code computed all of it, so that the weights must be the same.
    same_code: bool
    #: Best losses of both trainings, nats per character.
    loss: float | None
    undisturbed_loss: float | None
    notes: Sequence[str]

    @property
    def passed(self) -> bool:
        """Whether the fleet kept its promise."""
        return self.same_weights or not self.same_code


@dataclass(kw_only=True)
class _Run:
    """What was seen of a canary whose worker fails."""

    job: Job
    status: str = ""
    #: The worker that has it, or had it last, and how many have had it.
    worker: str = ""
    attempts: int = 0
    #: Its place in the queue that was said last.
    place: int | None = None
    first_step_at: float | None = None
    struck: str = ""
    struck_at: float = 0.0
    moved: Sequence[str] = ()
    detected_s: float | None = None
    recovered_s: float | None = None
    step: int | None = None
    other_code: bool = False


@dataclass(kw_only=True)
class Drill:
    """One rehearsal."""

    client: Charloom
    #: What trains, and what happens to its worker.
    canary: Canary
    fault: Fault
    #: Most seconds that each of the two trainings may take, with its wait in the queue.
    timeout_s: float
    #: Called with a sentence for each thing that happens.
    say: Callable[[str], None]
    #: Called before a worker fails that runs other jobs; raises Failure if they may not be moved.
    ask: Callable[[Worker, Sequence[Job]], None]
    #: Every worker that was seen, by name.
    _workers: dict[str, Worker] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)

    def run(self, *, seconds: float) -> Report:
        """Carry it out, with a canary of about this many seconds. Raises Failure, CharloomError."""
        if not self._able():
            raise Failure("No worker takes trainings. `charloom workers` lists all of them.", Exit.UNREACHABLE)
        self.canary.prepare(seconds=seconds)
        run = self._disturbed()
        for _ in range(_TRIES - 1):
            if run.attempts > 1:
                break
            self.fault.withdraw()
            self.say("The canary ended before its worker failed; it is sent again, longer.")
            self.canary.lengthen()
            run = self._disturbed()
        if run.attempts < 2:
            raise Failure("The canary ended each time before its worker failed. Try --seconds 60.", Exit.JOB_FAILED)
        ended = self.client.jobs.wait(run.job, timeout_s=self.timeout_s).check()
        weights = self.canary.weights(ended)
        self.say(f"It ended on {ended.worker}. Now the same training undisturbed.")
        control = self.client.jobs.wait(self.canary.train(), timeout_s=self.timeout_s).check()
        self._able()
        if control.attempt > 1:
            self._notes.append("something else disturbed the second training")
        return Report(
            job_id=ended.id,
            worker=run.struck,
            ended_on=ended.worker or "",
            detected_s=run.detected_s,
            recovered_s=run.recovered_s,
            resumed_at_step=run.step,
            moved=run.moved,
            undisturbed_job_id=control.id,
            undisturbed_on=control.worker or "",
            same_weights=weights == self.canary.weights(control),
            same_code=not run.other_code
            and same_code(*(self._workers.get(name or "") for name in (run.struck, ended.worker, control.worker))),
            loss=ended.metrics.best_loss,
            undisturbed_loss=control.metrics.best_loss,
            notes=self._notes,
        )

    def _disturbed(self) -> _Run:
        """Train the canary to its end, and have its worker fail in between."""
        run = _Run(job=self.canary.train())
        deadline = time.monotonic() + self.timeout_s
        for item in self.client.jobs.watch(run.job, silence_s=_POLL_S):
            now = time.monotonic()
            if isinstance(item, DoneEvent):
                break
            if isinstance(item, Silence):
                self._say_place(run)
            else:
                self._see(run, item, now)
            if run.status == "queued" and run.detected_s is not None:
                self._take_back(run, now)
            if now > deadline:
                where = f"runs on {run.worker}" if run.status == "running" else "waits in its queue"
                raise Failure(f"After {self.timeout_s:g} s (--timeout) the canary still {where}.", Exit.JOB_FAILED)
        return run

    def _say_place(self, run: _Run) -> None:
        """Say how many jobs are before the canary, whenever that has changed."""
        place = None if run.attempts else self.client.jobs.get(run.job).queue_position
        if place not in (None, run.place):
            run.place = place
            self.say(f"The canary is number {place} in its queue.")

    def _see(self, run: _Run, event: AnyEvent, now: float) -> None:
        if isinstance(event, StatusEvent | ResetEvent):
            self._see_status(run, event.data.status, event.data.worker or "", now)
        elif isinstance(event, LogEvent):
            run.other_code |= "computes the training" in event.data.message
        elif isinstance(event, ProgressEvent) and event.data.progress.step:
            if not run.struck:
                run.first_step_at = run.first_step_at or now
                if now - run.first_step_at >= self.fault.after_s:
                    self._strike(run)
            elif run.attempts > 1 and run.recovered_s is None:
                run.recovered_s, run.step = now - run.struck_at, event.data.progress.step
                self.say(f"{run.worker} trains it, {run.recovered_s:.2f} s after the fault, at step {run.step}.")
                if self.fault.withdraw():
                    self.say(f"{run.struck} takes jobs again.")

    def _see_status(self, run: _Run, status: str, worker: str, now: float) -> None:
        run.status = status
        if status == "running":
            run.attempts += 1
            run.worker = worker
            if not run.struck:
                self.say(f"The canary, {run.job.id}, trains on {worker}.")
        elif status == "queued" and run.struck and run.detected_s is None:
            run.detected_s = now - run.struck_at
            self.say(f"It is in its queue again, {run.detected_s:.2f} s after the fault.")

    def _strike(self, run: _Run) -> None:
        self._able()
        worker = self._workers.get(run.worker)
        if worker is None:
            raise Failure(f"{run.worker} is no longer seen.", Exit.JOB_FAILED)
        running = self.client.jobs.list(status=("running", "cancelling"))
        others = [job for job in running if job.worker == worker.name and job.id != run.job.id]
        if others:
            self.ask(worker, others)
        run.moved = [job.id for job in others]
        run.struck, run.struck_at = worker.name, time.monotonic()
        self.fault.strike(worker)
        self.say(f"{worker.name} fails now.")

    def _take_back(self, run: _Run, now: float) -> None:
        """Have the drained worker take jobs again if no other one does, or not soon."""
        if not any(worker.name != run.struck for worker in self._able()):
            why = "no other worker takes trainings"
        elif now - run.struck_at > _PATIENCE_S:
            why = f"no other worker took the canary within {_PATIENCE_S:g} s"
        else:
            return
        if self.fault.withdraw():
            self._notes.append(why)
            self.say(f"{run.struck} takes jobs again: {why}.")

    def _able(self) -> list[Worker]:
        """Return the workers that take trainings now, and remember all that are seen."""
        seen = self.client.workers()
        self._workers |= {worker.name: worker for worker in seen}
        return [worker for worker in seen if worker.train_slots and not worker.draining and not worker.volume_error]


def same_code(*workers: Worker | None) -> bool:
    """Return True if these workers certainly compute the same bits: torch's own LSTM does so only on one host."""
    codes = {
        (one.kernel, one.processor, one.versions.get("torch"), one.host if one.kernel == "torch" else "")
        for one in workers
        if one is not None and one.kernel
    }
    return len(codes) == 1 and all(one is not None and one.kernel for one in workers)
