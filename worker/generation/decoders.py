"""Decodes one text or several in parallel, with the compiled kernel if it supports the model.

Knows no events and no stop strings. No method leaves a torch mode switched on, so the caller may yield between any two.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worker.generation.fallback_decoders import fallback_decoder, per_character
from worker.generation.limited_writer import LimitedWriter
from worker.generation.run_limits import Runs
from worker.nn.kernel import UNITS, load
from worker.nn.kernel.lanes import Lanes, Packed, pack
from worker.nn.model import CharLSTM
from worker.nn.sampling import Sampler

#: Multiplications in one call, a few milliseconds, and the most characters that one call writes or reads.
_CALL, _MAX_WRITTEN, _MAX_READ = 1 << 29, 64, 512
#: Units of the widest `stream` model computed in float32. Weights of wider ones don't fit a core's cache of 512 KB and
#: are rounded to eight bits (ADR 20); `classic` is exact at every width.
_EXACT_UNITS = 128
#: Most bytes for the states of all windows; above, windows are read again for each character.
_MAX_STATES = 256 << 20


class Decoder(Protocol):
    """Decodes one text for each sampler, all from the same prompt."""

    #: How many characters of each text to write at once: milliseconds of work.
    burst: int

    def read(self, prompt: NDArray[np.int64]) -> Iterator[None]:
        """Read the prompt, (T,), pausing every few milliseconds."""

    def write(self, count: int) -> NDArray[np.int32]:
        """Write `count` characters of each text and return them, (lanes, count)."""

    def keep(self, lanes: list[int]) -> None:
        """Continue with these lanes only, in this order."""


class StatefulDecoder:
    """One step of the LSTM for each character; the states are carried."""

    def __init__(self, packed: Packed, samplers: Sequence[Sampler], *, runs: Runs | None = None) -> None:
        self._packed, self._samplers = packed, list(samplers)
        self._writer = LimitedWriter(runs)
        self._lanes = Lanes(packed, self._samplers[0].options)
        self.burst = _at_once(packed, len(self._samplers), _MAX_WRITTEN)

    def read(self, prompt: NDArray[np.int64]) -> Iterator[None]:
        """Read the prompt, (T,), pausing every few milliseconds."""
        for piece in _pieces(prompt, _at_once(self._packed, 1, _MAX_READ)):
            self._lanes.read(piece)
            yield
        self._lanes.keep([0] * len(self._samplers))

    def write(self, count: int) -> NDArray[np.int32]:
        """Write `count` characters of each text and return them, (lanes, count)."""
        return self._writer.write(self._lanes, self._samplers, count)

    def keep(self, lanes: list[int]) -> None:
        """Continue with these lanes only, in this order."""
        self._samplers = [self._samplers[n] for n in lanes]
        self._writer.keep(lanes)
        self._lanes.keep(lanes)


class WindowDecoder:
    """The seed document's loop: the last `window` characters, from a zero state, for each character.

    A prompt shorter than the window keeps its own length, as the document's code does.

    Args:
        packed: the model.
        samplers: one per text.
        window: characters from which the next one is predicted.
        length: most characters of a text.
        runs: how long runs of one character may grow; None: without limit.
    """

    def __init__(
        self, packed: Packed, samplers: Sequence[Sampler], *, window: int, length: int, runs: Runs | None = None
    ) -> None:
        self._packed, self._samplers, self._window, self._length = packed, list(samplers), window, length
        self._writer = LimitedWriter(runs)
        self._texts: list[Lanes] = []
        self.burst = _at_once(packed, window * len(self._samplers), _MAX_WRITTEN)

    def read(self, prompt: NDArray[np.int64]) -> Iterator[None]:
        """Read the prompt, (T,), pausing every few milliseconds."""
        prompt = prompt[-self._window :]
        window = len(prompt)
        first = Lanes(self._packed, self._samplers[0].options, window=window, length=self._length)
        for piece in _pieces(prompt, _at_once(self._packed, window, _MAX_READ)):
            first.read(piece)
            yield
        self._texts = first.copies(len(self._samplers))

    def write(self, count: int) -> NDArray[np.int32]:
        """Write `count` characters of each text and return them, (lanes, count)."""
        return np.concatenate(
            [
                self._writer.write(text, [sampler], count, first=lane)
                for lane, (text, sampler) in enumerate(zip(self._texts, self._samplers, strict=True))
            ]
        )

    def keep(self, lanes: list[int]) -> None:
        """Continue with these lanes only, in this order."""
        self._samplers, self._texts = [self._samplers[n] for n in lanes], [self._texts[n] for n in lanes]
        self._writer.keep(lanes)


def packed(model: CharLSTM) -> Packed | None:
    """Return copies of the weights, packed for the compiled decoders, or None if they don't support the model."""
    kernel = load()
    if kernel is None or model.hidden_size % UNITS:
        return None
    table, recurrent, inputs, biases = per_character(model)
    return pack(
        kernel,
        table=table,
        recurrent=recurrent,
        inputs=inputs,
        biases=biases,
        out=model.linear.weight.detach(),
        out_biases=model.linear.bias.detach(),
        narrow=model.embedding_size > 0 and model.hidden_size > _EXACT_UNITS,
    )


def decoder_for(
    model: CharLSTM,
    weights: Packed | None,
    samplers: Sequence[Sampler],
    *,
    window: int | None,
    length: int,
    runs: Runs | None = None,
) -> Decoder:
    """Return the fastest decoder for these texts.

    Args:
        model: the model.
        weights: what `packed` returns for it.
        samplers: one per text, all with the same options.
        window: characters from which the next one is predicted, as in the seed document; None: the state is carried.
        length: most characters of a text.
        runs: how long runs of one character may grow; None: without limit.
    """
    if weights is None or len(samplers) * (window or 0) * weights.layers * weights.units * 12 > _MAX_STATES:
        return fallback_decoder(model, samplers, window=window, runs=runs)
    if window is None:
        return StatefulDecoder(weights, samplers, runs=runs)
    return WindowDecoder(weights, samplers, window=window, length=length, runs=runs)


def _at_once(weights: Packed, lanes: int, most: int) -> int:
    return max(1, min(most, _CALL // (weights.products * lanes)))


def _pieces(prompt: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int32]]:
    for begin in range(0, len(prompt), size):
        yield prompt[begin : begin + size].astype(np.int32)
