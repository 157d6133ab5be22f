"""Run a generate job: its text is recorded while it is generated, and compared with the corpus at the end."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from shared.jobs.events import EventType
from shared.jobs.record import Progress
from shared.requests.writing import GenerateRequest
from shared.volume import Model
from worker.generation.generate import Output, Text, generate
from worker.generation.overlap import find_overlaps
from worker.jobs.attempt import Attempt, Outcome, Stopped, Written
from worker.jobs.items_job import run_items
from worker.jobs.lease import Lease, StopRequest, StopRequested
from worker.jobs.model_cache import ModelCache


def run_generate(attempt: Attempt, *, clock: Callable[[], float] = time.monotonic) -> Outcome:
    """Generate to the end, or until the job is to stop.

    Raises NotFound, LeaseLost, StoreUnavailable, VolumeUnavailable.
    """
    host, lease, reporter = attempt.host, attempt.lease, attempt.reporter
    request = GenerateRequest.model_validate(attempt.job.params)
    with host.tracer.span("load"):
        model = host.volume.models.get(request.model_id)
        loaded = host.model_cache.model(model)
    lease.tick()
    longest_runs = None if request.max_run is not None else _longest_runs(host.model_cache, model, lease)
    if request.items is not None:
        return run_items(attempt, request, request.items, model, loaded, longest_runs=longest_runs, clock=clock)
    total = request.length * request.n
    written, begun = 0, clock()
    stop: StopRequest | None = None
    outputs: Callable[[], tuple[Output, ...]] = tuple
    writing = host.tracer.begin("write")
    for event in generate(loaded, request, longest_runs=longest_runs):
        if isinstance(event, Text):
            written += len(event.delta)
            reporter.processed(len(event.delta))
            reporter.add(EventType.TEXT, {"index": event.index, "offset": event.offset, "delta": event.delta})
        reporter.progress(_progress(written, total, clock() - begun))
        outputs = event.outputs
        if stop := lease.check():
            break
        reporter.flush()
    writing.set({"charloom.characters": written})
    writing.end()
    if stop is StopRequest.DRAIN:
        return Stopped(request=stop)
    written_texts = outputs()
    try:
        with host.tracer.span("compare"):
            copied = _copied([output.text for output in written_texts], host.model_cache, model, lease)
    except StopRequested as exc:  # while the index was built
        if exc.request is StopRequest.DRAIN:
            raise
        stop, copied = exc.request, [None] * len(written_texts)
    results = [{**asdict(output), "copied": one} for output, one in zip(written_texts, copied, strict=True)]
    result = {"prompt": request.prompt, "outputs": results, "seed": request.seed}
    if stop is not None:
        return Stopped(request=stop, result=result)
    reporter.complete(step=written)
    return Written(result=result)


def _progress(written: int, total: int, seconds: float) -> Progress:
    speed = written / seconds if seconds > 0 else 0.0
    return Progress(
        step=written,
        total_steps=total,
        fraction=written / total,
        chars_per_second=speed or None,
        eta_seconds=(total - written) / speed if speed else None,
    )


def _longest_runs(cache: ModelCache, model: Model, lease: Lease) -> Mapping[str, int] | None:
    """Return the longest runs of a model's corpus, from its index for models that were made before they were noted."""
    if model.longest_runs is None and (index := cache.index(model, lease)) is not None:
        return index.longest_runs
    return model.longest_runs


def _copied(
    texts: Sequence[str], cache: ModelCache, model: Model, lease: Lease
) -> Sequence[Mapping[str, object] | None]:
    """Return what each text copies from the model's corpus; None if that is deleted. Raises StopRequested."""
    index = cache.index(model, lease)
    lease.tick()
    return [None] * len(texts) if index is None else find_overlaps(texts, index, tick=lease.tick)
