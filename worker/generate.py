"""Writing text with a model, as a generator of events. Knows no queue, no store and no files.

The same request and seed give the same text on every worker with the same kind of processor and the same torch: torch
takes one thread (sums split over two round differently), and each variant has random numbers of its own.
"""

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from shared.errors import InvalidRequest
from shared.requests import GenerateRequest
from shared.text import BOM, name_characters, normalise
from worker.fused import Carried
from worker.loaded import LoadedModel
from worker.randomness import rng
from worker.sampling import Sampler
from worker.stopping import Held
from worker.writers import PROMPT_PIECE, WindowWriter, Writer, carried_writer, read_prompt

#: Seconds of writing between two events.
BURST_S = 0.025


@dataclass(frozen=True, kw_only=True)
class Output:
    """One variant's text so far, or whole."""

    index: int
    text: str
    #: "cancelled" stands for a text that hasn't ended (yet).
    finish_reason: Literal["length", "stop", "cancelled"]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """Some hundredths of a second of writing are done. Base of all events.

    `outputs()` returns what has been written up to here, for a caller that stops early.
    """

    outputs: Callable[[], tuple[Output, ...]]


GenerateEvent = Tick


@dataclass(frozen=True, kw_only=True)
class Text(Tick):
    """A variant's text has grown; `offset` counts characters from its begin. No part of a stop string is shown."""

    index: int
    offset: int
    delta: str


@dataclass(frozen=True, kw_only=True)
class Done(Tick):
    """All variants are whole: `outputs()`. Nothing comes after."""


def prepare_prompt(model: LoadedModel, prompt: str, unknown_chars: Literal["error", "drop"] = "error") -> str:
    r"""Return the prompt as the model reads it: lower-cased where its text was, line ends as "\n", unknown dropped.

    Raises InvalidRequest at "/prompt" on characters that the model never saw, and when nothing is left.
    """
    prompt = normalise(prompt, lowercase=model.sizes.lowercase)
    if model.sizes.recipe == "stream":
        prompt = prompt.removeprefix(BOM)
    unknown = model.vocabulary.unknown(prompt)
    if unknown and unknown_chars == "error":
        raise InvalidRequest.at(
            "/prompt", f'the model never saw {name_characters(unknown)}; remove them, or set unknown_chars to "drop"'
        )
    prompt = "".join(c for c in prompt if c not in set(unknown)) if unknown else prompt
    if not prompt:
        raise InvalidRequest.at("/prompt", "no character of the prompt is known to the model; give another one")
    return prompt


def generate(
    model: LoadedModel, request: GenerateRequest, *, clock: Callable[[], float] = time.monotonic
) -> Generator[GenerateEvent, None, None]:
    """Write `request.n` texts of at most `request.length` characters that go on from the prompt.

    Arguments:
        model: who writes: classic over a window of its last `seq_length` characters, stream with its state carried.
        request: `prompt` and `seed` set.
        clock: seconds, for the rhythm of the events.

    Raises InvalidRequest as `prepare_prompt` does, before the first event. torch's number of threads stays at 1.
    """
    if request.prompt is None or request.seed is None:
        raise ValueError("generate() takes a request whose prompt and seed are set")
    prompt = np.array(model.vocabulary.encode(prepare_prompt(model, request.prompt, request.unknown_chars)))
    torch.set_num_threads(1)
    texts = [Held(request.stop or ()) for _ in range(request.n)]
    ended = [False] * request.n

    def outputs() -> tuple[Output, ...]:
        return tuple(
            Output(index=i, text=t.text,
                   finish_reason="stop" if t.stopped else "length" if ended[i] else "cancelled")
            for i, t in enumerate(texts)
        )  # fmt: skip

    yield Tick(outputs=outputs)
    writer: Writer
    if model.sizes.recipe == "classic":
        writer = WindowWriter(model.module, prompt, lanes=request.n, window=model.sizes.seq_length)
    else:
        carried, logits = None, torch.empty(0)
        for piece in _pieces(prompt):
            logits, carried = read_prompt(model.module, piece, carried)
            yield Tick(outputs=outputs)
        writer = carried_writer(model.module, _known(carried), logits, lanes=request.n)
    samplers = [
        Sampler(temperature=request.temperature, top_k=request.top_k, top_p=request.top_p,
                rng=rng(request.seed, "variant", index))
        for index in range(request.n)
    ]  # fmt: skip
    lanes = list(range(request.n))
    chosen: list[int] = []
    while lanes:
        until = clock() + BURST_S
        if request.n == 1:
            ended[0] = _write_one(model, writer, samplers[0], texts[0], request.length, until, clock)
            lanes = [] if ended[0] else lanes
        else:
            lanes, chosen = _write_many(model, writer, samplers, texts, request.length, lanes, chosen, until, clock)
            ended = [index not in lanes for index in range(request.n)]
        told = False
        for index, text in enumerate(texts):
            offset, delta = text.show(ended=ended[index])
            if delta:
                told = True
                yield Text(outputs=outputs, index=index, offset=offset, delta=delta)
        if not told:
            yield Tick(outputs=outputs)
    yield Done(outputs=outputs)


def _write_one(
    model: LoadedModel,
    writer: Writer,
    sampler: Sampler,
    text: Held,
    length: int,
    until: float,
    clock: Callable[[], float],
) -> bool:
    """Write the only text there is until it ends or the time has come; tell whether it has ended."""
    characters, logits = model.vocabulary.characters, writer.logits[0]
    while True:
        chosen = sampler.choose(logits)
        if text.append(characters[chosen]) or len(text) >= length:
            return True
        writer.advance([chosen])
        logits = writer.logits[0]
        if clock() >= until:
            return False


def _write_many(
    model: LoadedModel,
    writer: Writer,
    samplers: list[Sampler],
    texts: list[Held],
    length: int,
    lanes: list[int],
    chosen: list[int],
    until: float,
    clock: Callable[[], float],
) -> tuple[list[int], list[int]]:
    """Write the texts in `lanes` side by side until the time has come; return the lanes left and their last choices.

    One that ends leaves its lane, so the others go on faster.
    """
    characters = model.vocabulary.characters
    while lanes:
        if chosen:
            writer.advance(chosen)
        chosen = [samplers[lane].choose(row) for lane, row in zip(lanes, writer.logits, strict=True)]
        ends = [
            texts[lane].append(characters[index]) or len(texts[lane]) >= length
            for lane, index in zip(lanes, chosen, strict=True)
        ]
        if any(ends):
            kept = [place for place, end in enumerate(ends) if not end]
            lanes, chosen = [lanes[place] for place in kept], [chosen[place] for place in kept]
            if lanes:
                writer.keep(kept)
        if clock() >= until:
            break
    return lanes, chosen


def _pieces(prompt: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for begin in range(0, len(prompt), PROMPT_PIECE):
        yield prompt[begin : begin + PROMPT_PIECE]


def _known(carried: Carried | None) -> Carried:
    if carried is None:
        raise ValueError("the prompt is empty")
    return carried
