"""Run a generate job that writes the items of a list: into a file of the job, in one piece when the job ends."""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import accumulate

from shared.errors import JobFailed, NotFound
from shared.jobs.events import EventType
from shared.jobs.record import Progress
from shared.requests.recipes import RECIPES
from shared.requests.writing import GenerateRequest, WriteItems
from shared.text import text_stream
from shared.text.items import split
from shared.volume import Model
from shared.volume.item_lists import Item
from worker.generation.items import Counts, WrittenItem, write_items
from worker.generation.known_items import KnownItems
from worker.generation.loaded import LoadedModel
from worker.jobs.attempt import Attempt, Outcome, Stopped, Written
from worker.jobs.lease import StopRequest, StopRequested

#: Items and their characters that one event has, and items of all events of a job; the file has all.
EVENT_ITEMS, EVENT_CHARS, MAX_EVENT_ITEMS = 20, 4000, 1000


def run_items(
    attempt: Attempt,
    request: GenerateRequest,
    wanted: WriteItems,
    model: Model,
    loaded: LoadedModel,
    *,
    longest_runs: Mapping[str, int] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Write the items to the end, or until the job is to stop. Raises as `run_generate`, and JobFailed."""
    host, lease, reporter = attempt.host, attempt.lease, attempt.reporter
    known = _known(attempt, model, wanted)
    if known is None and wanted.new:
        raise JobFailed("The model's training text was deleted, so new items can't be distinguished from known ones.")
    counts, shown, written_chars, begun = Counts(), 0, 0, clock()
    stop: StopRequest | None = None
    with host.volume.jobs.writing_items(attempt.job.id) as add:
        for batch in write_items(loaded, request, wanted, known, longest_runs=longest_runs):
            first, counts = counts.written, replace(batch.counts)
            add([_row(item, index) for index, item in enumerate(batch.items, first)])
            chars = sum(len(item.text) for item in batch.items)
            written_chars += chars
            reporter.processed(chars)
            if batch.items and shown < MAX_EVENT_ITEMS:
                some = _some([item.text for item in batch.items])
                shown += len(some)
                reporter.add(EventType.ITEMS, {"offset": first, "items": some})
            reporter.progress(_progress(counts.written, wanted.count, written_chars, clock() - begun))
            if stop := lease.check():
                break
            reporter.flush()
        if stop is StopRequest.DRAIN:
            raise StopRequested(stop)  # nothing is kept; another worker writes the same items
        lease.check()
    result: dict[str, object] = {
        "prompt": request.prompt or "",
        "outputs": [],
        "items": {**asdict(counts), "separator": wanted.separator, "detail": counts.detail(wanted.count)},
        "seed": request.seed,
    }
    if stop is not None:
        return Stopped(request=stop, result=result)
    reporter.complete(step=counts.written)
    return Written(result=result)


def _row(item: WrittenItem, index: int) -> Item:
    return Item(index=index, text=item.text, logprob=item.logprob, known=item.known)


def _some(items: Sequence[str]) -> Sequence[str]:
    """Return the first items that fit into an event, at least one."""
    chars = list(accumulate(map(len, items[:EVENT_ITEMS])))
    return items[: max(1, bisect_right(chars, EVENT_CHARS))]


def _known(attempt: Attempt, model: Model, wanted: WriteItems) -> KnownItems | None:
    """Return the items of the model's corpus, split by the separator in use; None if the corpus is gone."""
    volume = attempt.host.volume
    if model.corpus_id is None or wanted.separator is None:
        return None
    try:
        path = volume.corpora.text_path(model.corpus_id)
        parts = text_stream.normalized_chunks(
            text_stream.read(path),
            lowercase=bool(model.params.get("lowercase", True)),
            drop_bom=RECIPES[model.recipe].drops_bom,
        )
        return KnownItems(split(_ticking(parts, attempt.lease.tick), wanted.separator))
    except (NotFound, FileNotFoundError):
        return None


def _ticking(parts: Iterator[str], tick: Callable[[], None]) -> Iterator[str]:
    for part in parts:
        tick()
        yield part


def _progress(written: int, count: int, chars: int, seconds: float) -> Progress:
    return Progress(
        step=written,
        total_steps=count,
        fraction=written / count,
        chars_per_second=chars / seconds if chars and seconds > 0 else None,
        eta_seconds=(count - written) * seconds / written if written else None,
    )
