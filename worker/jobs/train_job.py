"""Run a train job: the trainer's events go to the store, its state to the volume, its weights into a model."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from pydantic import TypeAdapter

from shared.errors import StoreUnavailable, VolumeUnavailable
from shared.ids import model_id_of
from shared.jobs.events import EventType
from shared.jobs.record import Losses, Progress
from shared.jobs.rows import Baselines
from shared.requests.options import AnyTrainRequest, ClassicRequest, StreamRequest
from worker.formats.bundle import BUNDLE, read_bundle
from worker.generation.text_index import TextIndex
from worker.jobs.attempt import Attempt, Outcome, Stopped
from worker.jobs.build import build_and_seal, build_model
from worker.jobs.checkpointer import Checkpointer
from worker.jobs.indexing import index_of
from worker.jobs.lease import StopRequested
from worker.jobs.spans import TrainingSpans
from worker.training import events
from worker.training.events import TrainingDiverged
from worker.training.state import StateFileDamaged, TrainState, load_state
from worker.training.train import Start, train

log = logging.getLogger(__name__)

_REQUEST: TypeAdapter[StreamRequest | ClassicRequest] = TypeAdapter(AnyTrainRequest)


def run_train(attempt: Attempt) -> Outcome:
    """Train to the end, or until the job is to stop; the newest state is saved then.

    Raises:
        TrainingDiverged: the loss blew up; the last good state is saved.
        StopRequested: before the first step.
        LeaseLost, StoreUnavailable, VolumeUnavailable
    """
    host, job = attempt.host, attempt.job
    request = _REQUEST.validate_python(job.params)
    folder = attempt.folder()
    state = _newest_state(attempt)
    start = None if state is not None else _start(attempt, request)
    attempt.lease.tick()
    known = state.facts if state is not None else {}
    host.store.jobs.rewind(job.id, attempt.token, metrics=known.get("metrics", ()), samples=known.get("samples", ()))
    training = train(
        request,
        lambda: _read(attempt, request.corpus_id),
        start=start,
        # Nobody asked for a base: the result has learned from the text, whatever its last tenth is (a licence, say).
        keeps_start=job.starting_point is None or job.starting_point.loss is None,
        state=state,
        threads=host.train_threads,
        note=attempt.reporter.log,
    )
    checkpointer = Checkpointer(attempt, folder)
    spans = TrainingSpans(host.tracer)
    try:
        for event in host.step_log.follow(training, job_id=job.id, token=attempt.token, worker=host.name):
            stop = attempt.lease.check()
            spans.follow(event)
            _tell(attempt, event)
            if isinstance(event, events.Done):
                spans.close()
                with host.tracer.span("index"):
                    index = _index(attempt, request)
                attempt.reporter.complete(step=max((row.step for row in event.metrics), default=0), losses=_last(event))
                build = partial(
                    build_model,
                    host.volume.jobs.built_model(job.id, attempt.token),
                    job,
                    name=request.name or model_id_of(job.id),
                    params=job.params,
                    weights=event.weights,
                    vocabulary=event.vocabulary,
                    losses=event.losses,
                    metrics=event.metrics,
                    samples=event.samples,
                    items=event.items,
                    longest_runs=None if index is None else index.longest_runs,
                )
                result = {"stop_reason": event.stop_reason, "baselines": _plain(event.losses.baselines)}
                return build_and_seal(attempt, build, result=result)
            if stop is not None:
                checkpointer.save(event.state())
                attempt.reporter.stopped(step=event.step)
                return Stopped(request=stop)
            if isinstance(event, events.Snapshot):
                checkpointer.save(event.state())
    except TrainingDiverged as exc:
        checkpointer.save(exc.state)
        raise
    finally:
        spans.close()
        training.close()
    raise AssertionError("the trainer yielded no Done")


def _read(attempt: Attempt, corpus_id: str) -> Iterator[str]:
    """Read the text, and check the lease after each part. Raises StopRequested, LeaseLost, NotFound."""
    for part in attempt.host.volume.corpora.parts(corpus_id):
        if (stop := attempt.lease.check()) is not None:
            raise StopRequested(stop)
        yield part


def _index(attempt: Attempt, request: StreamRequest | ClassicRequest) -> TextIndex | None:
    """Have the index of the text ready for the first text that the model generates. Raises LeaseLost.

    A request to stop is left to what follows; an index that is missing is built when it is needed.
    """

    def note(message: str) -> None:
        attempt.reporter.log(message)
        with suppress(StoreUnavailable):
            attempt.reporter.flush(now=True)

    corpora = attempt.host.volume.corpora
    try:
        return index_of(corpora, request.corpus_id, lowercase=request.lowercase, lease=attempt.lease, note=note)
    except (StopRequested, VolumeUnavailable):
        return None


def _last(done: events.Done) -> Losses:
    """Return the losses at the end of a training; those of the last epoch come after its last progress event."""
    trained = [row.train_loss for row in done.metrics if row.train_loss is not None]
    judged = [row.evaluation_loss if row.validation_loss is None else row.validation_loss for row in done.metrics]
    measured = [loss for loss in judged if loss is not None]
    return Losses(
        train_loss=trained[-1] if trained else None,
        validation_loss=measured[-1] if measured else None,
        best_loss=done.best_loss,
        best_epoch=done.losses.best_epoch,
        baselines=_plain(done.losses.baselines),
    )


def _plain(baselines: Baselines | None) -> dict[str, Any] | None:
    return None if baselines is None else asdict(baselines)


def _newest_state(attempt: Attempt) -> TrainState | None:
    """Return the newest undamaged state of the job, or of the one that it resumes; None: start from step 0."""
    for job_id, saved in attempt.host.volume.jobs.states_of_line(attempt.job.id):
        try:
            state = load_state(attempt.host.volume.jobs.state_file(saved), saved.sha256)
        except StateFileDamaged as exc:
            log.warning("%s: %s", attempt.job.id, exc)
            attempt.reporter.log(f"The training state of step {saved.step} is damaged; an older one is used.")
            continue
        of = "" if job_id == attempt.job.id else f" of {job_id}"
        attempt.reporter.log(f"Continues from step {saved.step}{of}.")
        return state
    return None


def _start(attempt: Attempt, request: StreamRequest | ClassicRequest) -> Start | None:
    """Return the model to start from, if the request names one. Raises NotFound."""
    if request.init_from is None:
        return None
    model = read_bundle(attempt.host.volume.models.folder(request.init_from, BUNDLE) / BUNDLE, with_rows=False)
    return Start(weights=model.weights, vocabulary=model.vocabulary)


def _tell(attempt: Attempt, event: events.TrainEvent) -> None:
    reporter = attempt.reporter
    reporter.processed(event.new_characters)
    match event:
        case events.Progress():
            progress = {name: getattr(event, name) for name in Progress.__dataclass_fields__}
            losses = {name: getattr(event, name) for name in Losses.__dataclass_fields__}
            losses["baselines"] = _plain(event.baselines)
            reporter.progress(Progress(**progress), Losses(**losses))
        case events.Metric():
            reporter.add(EventType.METRIC, events.row(event))
        case events.Sample():
            reporter.add(EventType.SAMPLE, events.row(event))
        case _:
            pass
    reporter.flush()
