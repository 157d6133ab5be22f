"""Generates text as a generator of events. Knows no queue, no store and no files.

The same request and seed give the same text on every worker with the same kind of processor and the same torch: torch
uses one thread (sums split over two round differently), and each variant has its own random numbers. With the compiled
kernel a variant doesn't depend on the number of variants or threads either.
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from shared.requests.writing import GenerateRequest
from shared.text import prompt as prompts
from shared.text.vocabulary import Vocabulary
from worker.generation.decoders import Decoder, decoder_for
from worker.generation.loaded import LoadedModel
from worker.generation.run_limits import Runs, run_limits
from worker.generation.stopping import StopStringFilter
from worker.nn.randomness import rng
from worker.nn.sampling import Options, Sampler

#: Seconds between two events.
BURST_S = 0.025


@dataclass(frozen=True, kw_only=True)
class Output:
    """One variant's text so far."""

    index: int
    text: str
    #: "cancelled" means that the text has not ended (yet).
    finish_reason: Literal["length", "stop", "cancelled"]
    #: Runs of one character that were cut (`worker/generation/run_limits.py`).
    runs_cut: int = 0


@dataclass(frozen=True, kw_only=True)
class Tick:
    """Text was generated for some hundredths of a second. Base of all events.

    `outputs()` returns the texts so far, for a caller that stops early.
    """

    outputs: Callable[[], tuple[Output, ...]]


GenerateEvent = Tick


@dataclass(frozen=True, kw_only=True)
class Text(Tick):
    """A variant's text has grown; `offset` counts characters from its start. Never contains a part of a stop string."""

    index: int
    offset: int
    delta: str


@dataclass(frozen=True, kw_only=True)
class Done(Tick):
    """All variants are complete: `outputs()`. The last event."""


def prepare_prompt(model: LoadedModel, prompt: str, unknown_chars: Literal["error", "drop"] = "error") -> str:
    """Return the prompt as the model reads it. Raises InvalidRequest as `shared.text.prompt.prepare` does."""
    sizes = model.sizes
    return prompts.prepare(
        prompt,
        model.vocabulary,
        lowercase=sizes.lowercase,
        drop_bom=sizes.kind.drops_bom,
        unknown_chars=unknown_chars,
    )


def generate(
    model: LoadedModel,
    request: GenerateRequest,
    *,
    longest_runs: Mapping[str, int] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[GenerateEvent, None, None]:
    """Generate `request.n` texts of at most `request.length` characters that continue the prompt.

    Arguments:
        model: the model: classic predicts from the last `seq_length` characters, stream carries its state.
        request: `prompt` and `seed` set.
        longest_runs: of the model's corpus, for a request without `max_run`; None if they aren't known.
        clock: seconds, for the interval of the events.

    Raises InvalidRequest as `prepare_prompt` does, before the first event. torch's number of threads stays at 1.
    """
    if request.prompt is None or request.seed is None:
        raise ValueError("generate() takes a request whose prompt and seed are set")
    prompt = np.array(model.vocabulary.encode(prepare_prompt(model, request.prompt, request.unknown_chars)))
    torch.set_num_threads(1)
    texts = [StopStringFilter(request.stop or ()) for _ in range(request.n)]
    ended = [False] * request.n
    limits = run_limits(request.max_run, longest_runs, model.vocabulary)
    runs = None if limits is None else Runs(limits, prompt, request.n)

    def outputs() -> tuple[Output, ...]:
        return tuple(
            Output(
                index=i,
                text=text.text,
                finish_reason="stop" if text.stopped else "length" if ended[i] else "cancelled",
                runs_cut=0 if runs is None else runs.count_cuts(i, len(text)),
            )
            for i, text in enumerate(texts)
        )

    yield Tick(outputs=outputs)
    options = Options(temperature=request.temperature, top_k=request.top_k, top_p=request.top_p)
    samplers = [Sampler(options, rng(request.seed, "variant", index)) for index in range(request.n)]
    window = model.sizes.kind.window(model.sizes.seq_length)
    decoder = decoder_for(model.module, model.packed, samplers, window=window, length=request.length, runs=runs)
    for _ in decoder.read(prompt):
        yield Tick(outputs=outputs)
    lanes, written = list(range(request.n)), 0
    while lanes:
        until = clock() + BURST_S
        while lanes:
            count = min(decoder.burst, request.length - written)
            lanes = _write(decoder, count, model.vocabulary, texts, lanes, last=written + count == request.length)
            written += count
            if clock() >= until:
                break
        ended = [index not in lanes for index in range(request.n)]
        grown = False
        for index, text in enumerate(texts):
            offset, delta = text.show(ended=ended[index])
            if delta:
                grown = True
                yield Text(outputs=outputs, index=index, offset=offset, delta=delta)
        if not grown:
            yield Tick(outputs=outputs)
    yield Done(outputs=outputs)


def _write(
    decoder: Decoder, count: int, vocabulary: Vocabulary, texts: list[StopStringFilter], lanes: list[int], *, last: bool
) -> list[int]:
    """Write so many characters of the texts in `lanes`, their last ones or not; return the lanes that are left.

    A text that ends frees its lane, so the others become faster.
    """
    ended = [
        texts[lane].append(vocabulary.decode(codes)) or last
        for lane, codes in zip(lanes, decoder.write(count).tolist(), strict=True)
    ]
    if any(ended):
        kept = [place for place, end in enumerate(ended) if not end]
        lanes = [lanes[place] for place in kept]
        if lanes:
            decoder.keep(kept)
    return lanes
