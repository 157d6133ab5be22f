"""Writes the items of a list as a generator of events. Knows no queue, no store and no files.

Each try begins from a zero state after a separator and has random numbers of its own: what it writes depends on the
model, the request and its number alone, not on the other tries. (Without the compiled kernel, the last digits of a
sum may.) The state isn't carried from item to item, whatever the training did: the first molecules that a model
writes are valid as often as later ones, or more often (bench/LOG.md).
"""

import time
from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import log_softmax

from shared.requests.writing import GenerateRequest, WriteItems
from worker.generation.decoders import decoder_for
from worker.generation.generate import BURST_S, prepare_prompt
from worker.generation.loaded import LoadedModel
from worker.generation.run_limits import Limits, Runs, run_limits
from worker.generation.stopping import StopStringFilter
from worker.nn.randomness import rng
from worker.nn.sampling import Options, Sampler

#: Fewest and most tries side by side.
_MIN_LANES, _MAX_LANES = 8, 256
#: Characters after which ended lanes are dropped.
_BURST = 8
#: Most tries in a row that add nothing, and most tries in all: this many more than `_TRIES` times the items wanted.
MAX_MISSES, _TRIES = 1000, 10
#: Most logits computed at once for log-probabilities: 16 MB.
_MAX_LOGITS = 4 << 20
#: Decimals of a log-probability: further ones depend on the processor.
_DECIMALS = 4

FinishReason = Literal["count", "exhausted", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class WrittenItem:
    """One item, its log-probability by the model's own distribution (temperature 1), and whether it is known."""

    text: str
    logprob: float
    known: bool | None


@dataclass(kw_only=True)
class Counts:
    """What became of the tries so far; the fields are described in `shared/jobs/shapes.py`."""

    written: int = 0
    tries: int = 0
    doubled: int = 0
    known: int | None = None
    short: int = 0
    cut: int = 0
    finish_reason: FinishReason = "cancelled"

    def detail(self, wanted: int) -> str:
        """Return why the list ended, in words."""
        if self.finish_reason == "count":
            return "All items were written."
        reasons = {
            "repeated an earlier one": self.doubled,
            "were in the training text": (self.known or 0),
            "were too short": self.short,
            "had no end within max_chars": self.cut,
        }
        listed = ", ".join(f"{count:,} {words}" for words, count in reasons.items() if count)
        of_tries = f" Of {self.tries:,} tries {listed}." if listed else ""
        begin = f"{self.written:,} of {wanted:,} items were written"
        if self.finish_reason == "cancelled":
            return f"{begin} before the job was cancelled.{of_tries}"
        return f"{begin}: too few tries gave another one.{of_tries}"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some work is done; `items` are those that it has added, often none."""

    items: Sequence[WrittenItem]
    counts: Counts


def write_items(
    model: LoadedModel,
    request: GenerateRequest,
    wanted: WriteItems,
    known: Container[str] | None,
    *,
    longest_runs: Mapping[str, int] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Batch, None, None]:
    """Write items until there are enough of them, or until further tries hardly add any.

    Args:
        model: a model of the stream recipe.
        request: `seed` set; its `prompt`, if any, begins each item.
        wanted: its items, `separator` set.
        known: the items of the training text; None if it is gone.
        longest_runs: those of the model's corpus, as for `generate`.
        clock: seconds, for the interval of the events.

    Raises InvalidRequest as `prepare_prompt` does, before the first event. torch's number of threads stays at 1.
    """
    if request.seed is None or wanted.separator is None:
        raise ValueError("write_items() takes a request whose seed and separator are set")
    prefix = prepare_prompt(model, request.prompt, request.unknown_chars) if request.prompt else ""
    torch.set_num_threads(1)
    options = Options(temperature=request.temperature, top_k=request.top_k, top_p=request.top_p)
    counts = Counts(known=None if known is None else 0)
    seen: set[int] = set()  # hashes: strings of a million tries would take much more
    misses, lanes = 0, 0
    limits = run_limits(request.max_run, longest_runs, model.vocabulary)
    most_tries = MAX_MISSES + _TRIES * wanted.count
    while counts.finish_reason == "cancelled":
        missing = wanted.count - counts.written
        lanes = min(_MAX_LANES, max(_MIN_LANES, missing + missing // 4, 2 * lanes))
        samplers = [Sampler(options, rng(request.seed, "item", counts.tries + lane)) for lane in range(lanes)]
        wave = _write_wave(model, samplers, prefix, wanted, limits, clock)
        while True:
            try:
                next(wave)
            except StopIteration as end:
                texts = end.value
                break
            yield Batch(items=(), counts=counts)
        kept: list[tuple[str, bool | None]] = []
        for text in texts:
            found = _judge(text, wanted, known, seen, counts)
            misses = 0 if found else misses + 1
            kept += found
            if counts.written == wanted.count:
                counts.finish_reason = "count"
            elif misses == MAX_MISSES or counts.tries == most_tries:
                counts.finish_reason = "exhausted"
            if counts.finish_reason != "cancelled":
                break
        logprobs = log_probabilities(model, [text for text, _ in kept], wanted.separator)
        items = [
            WrittenItem(text=text, logprob=logprob, known=is_known)
            for (text, is_known), logprob in zip(kept, logprobs, strict=True)
        ]
        yield Batch(items=items, counts=counts)


def _write_wave(
    model: LoadedModel,
    samplers: Sequence[Sampler],
    prefix: str,
    wanted: WriteItems,
    limits: Limits | None,
    clock: Callable[[], float],
) -> Generator[None, None, list[str | None]]:
    """Write one item with each sampler, pausing now and then; None is one that had no end within `max_chars`."""
    separator = wanted.separator or ""
    length = wanted.max_chars - len(prefix) + len(separator)
    prompt = np.array(model.vocabulary.encode(separator + prefix))
    runs = None if limits is None else Runs(limits, prompt, len(samplers))
    decoder = decoder_for(model.module, model.packed, samplers, window=None, length=length, runs=runs)
    yield from decoder.read(prompt)
    texts = [StopStringFilter((separator,)) for _ in samplers]
    lanes, written, until = list(range(len(samplers))), 0, clock() + BURST_S
    while lanes and written < length:
        count = min(decoder.burst, _BURST, length - written)
        written += count
        ended = [
            texts[lane].append(model.vocabulary.decode(codes))
            for lane, codes in zip(lanes, decoder.write(count).tolist(), strict=True)
        ]
        if any(ended):
            places = [place for place, end in enumerate(ended) if not end]
            lanes = [lanes[place] for place in places]
            if lanes:
                decoder.keep(places)
        if clock() >= until:
            yield
            until = clock() + BURST_S
    # Line ends around an item are no part of it, as in `shared.text.items.split`.
    return [(prefix + text.text).strip("\n") if text.stopped else None for text in texts]


def _judge(
    text: str | None, wanted: WriteItems, known: Container[str] | None, seen: set[int], counts: Counts
) -> list[tuple[str, bool | None]]:
    """Count a try; return it, and whether it is known, if it belongs to the list."""
    counts.tries += 1
    if text is None:
        counts.cut += 1
        return []
    if len(text) < wanted.min_chars:
        counts.short += 1
        return []
    is_known = None if known is None else text in known
    if is_doubled := hash(text) in seen:
        counts.doubled += 1
    else:
        seen.add(hash(text))
        if is_known and counts.known is not None:
            counts.known += 1
    if (is_doubled and wanted.unique) or (is_known and wanted.new):
        return []
    counts.written += 1
    return [(text, is_known)]


def log_probabilities(model: LoadedModel, items: Sequence[str], separator: str) -> list[float]:
    """Return the log-probability of each item with its separator, after one, by the model's own distribution."""
    order = sorted(range(len(items)), key=lambda place: len(items[place]))
    found = [0.0] * len(items)
    begin = 0
    while begin < len(order):
        # Items of similar length together; an item has at most 10,000 characters, read in pieces.
        rows = max(1, min(64, _MAX_LOGITS // (len(model.vocabulary) * (len(items[order[begin]]) + 64))))
        some = order[begin : begin + rows]
        begin += rows
        sums = _sum_logs(model, [items[place] for place in some], separator)
        for place, total in zip(some, sums, strict=True):
            found[place] = round(total, _DECIMALS)
    return found


@torch.no_grad()
def _sum_logs(model: LoadedModel, items: Sequence[str], separator: str) -> list[float]:
    encoded = [model.vocabulary.encode(separator + item + separator) for item in items]
    width = max(map(len, encoded))
    codes = torch.tensor([row + [0] * (width - len(row)) for row in encoded])  # (B, T)
    first = len(separator) - 1  # the logits after this place choose an item's first character
    ends = torch.tensor([len(row) for row in encoded])
    sums = torch.zeros(len(items), dtype=torch.float64)
    carried = None
    for begin, end in _pieces(width - 1, max(1, _MAX_LOGITS // (len(items) * len(model.vocabulary)))):
        logits, carried = model.module(codes[:, begin:end], carried)
        targets = codes[:, begin + 1 : end + 1]
        logs = log_softmax(logits, -1).gather(-1, targets[..., None])[..., 0].double()
        places = torch.arange(begin, end)
        counted = (places >= first) & (places[None] < ends[:, None] - 1)
        sums += (logs * counted).sum(1)
    return [float(total) for total in sums]


def _pieces(length: int, size: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, length, size):
        yield begin, min(begin + size, length)
