"""Runs a generate job: text goes to the store while it is written, what was copied is told at its end."""

import time
from collections.abc import Callable
from dataclasses import asdict

from shared.errors import NotFound
from shared.events import EventType
from shared.jobs import Progress
from shared.requests import GenerateRequest
from shared.text import normalise
from shared.volume import Model
from worker.attempt import Attempt, Outcome, Stopped, Written
from worker.bundle import load_model
from worker.copied import copied
from worker.generate import Output, Text, generate
from worker.lease import Wish


def run_generate(attempt: Attempt, *, clock: Callable[[], float] = time.monotonic) -> Outcome:
    """Write to the end, or until a wish stops it. Raises NotFound, LeaseLost, StoreUnavailable, VolumeUnavailable."""
    host, lease, reporter = attempt.host, attempt.lease, attempt.reporter
    request = GenerateRequest.model_validate(attempt.job.params)
    model = host.volume.models.get(request.model_id)
    loaded = load_model(host.volume.models.folder(model.id))
    lease.tick()
    total = request.length * request.n
    written, begun = 0, clock()
    wish: Wish | None = None
    outputs: Callable[[], tuple[Output, ...]] = tuple
    for event in generate(loaded, request):
        if isinstance(event, Text):
            written += len(event.delta)
            reporter.add(EventType.TEXT, {"index": event.index, "offset": event.offset, "delta": event.delta})
        reporter.progress(_progress(written, total, clock() - begun))
        outputs = event.outputs
        if wish := lease.look():
            break
        reporter.flush()
    if wish is Wish.DRAIN:
        return Stopped(wish=wish)
    corpus = _corpus(attempt, model)
    told = []
    for output in outputs():
        lease.tick()
        told.append(
            {**asdict(output), "copied": None if corpus is None else copied(output.text, corpus, tick=lease.tick)}
        )
    result = {"prompt": request.prompt, "outputs": told, "seed": request.seed}
    if wish is not None:
        return Stopped(wish=wish, result=result)
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


def _corpus(attempt: Attempt, model: Model) -> str | None:
    """Return the text that the model learned from, as it saw it, or None: it is gone."""
    if model.corpus_id is None:
        return None
    try:
        text = attempt.host.volume.corpora.text(model.corpus_id)
    except NotFound:
        return None
    return normalise(text, lowercase=bool(model.params.get("lowercase", True)))
