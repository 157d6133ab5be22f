"""Writing one text or several side by side, by the compiled kernel where it has such a model, or plainly.

Knows no events and no stop strings. No method leaves a torch mode switched on, so the caller may yield between any two.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from worker.generation.fallback_decoders import fallback_decoder, per_character
from worker.nn.kernel import UNITS, load
from worker.nn.kernel.lanes import Lanes, Packed, pack
from worker.nn.model import CharLSTM
from worker.nn.sampling import Sampler

#: Multiplications in one call: a few milliseconds. Characters in one call, as many as a caller may want to look after.
_CALL, _MAX_WRITTEN, _MAX_READ = 1 << 29, 64, 512
#: Bytes that the states of all windows may take; beyond, windows are read anew for each character.
_MAX_STATES = 256 << 20


class Decoder(Protocol):
    """Decodes as many texts as there are samplers, which begin with the same prompt."""

    #: Characters of each text that are well written at once: milliseconds of work.
    burst: int

    def read(self, prompt: NDArray[np.int64]) -> Iterator[None]:
        """Read the prompt, (T,), pausing every few milliseconds."""

    def write(self, count: int) -> NDArray[np.int32]:
        """Write `count` characters of each text; return which, (lanes, count)."""

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes only, in this order."""


class StatefulDecoder:
    """One step of the LSTM for each character, the states carried on."""

    def __init__(self, packed: Packed, samplers: Sequence[Sampler]) -> None:
        self._packed, self._samplers = packed, list(samplers)
        self._lanes = Lanes(packed, self._samplers[0].options)
        self.burst = _at_once(packed, len(self._samplers), _MAX_WRITTEN)

    def read(self, prompt: NDArray[np.int64]) -> Iterator[None]:
        """Read the prompt, (T,), pausing every few milliseconds."""
        for piece in _pieces(prompt, _at_once(self._packed, 1, _MAX_READ)):
            self._lanes.read(piece)
            yield
        self._lanes.keep([0] * len(self._samplers))

    def write(self, count: int) -> NDArray[np.int32]:
        """Write `count` characters of each text; return which, (lanes, count)."""
        return self._lanes.write(count, _draws(self._samplers, count))

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes only, in this order."""
        self._samplers = [self._samplers[n] for n in lanes]
        self._lanes.keep(lanes)


class WindowDecoder:
    """The seed document's loop: the last `window` characters, from a zero state, for each character.

    A prompt shorter than the window keeps its own length, as the document's code does.

    Args:
        packed: the model.
        samplers: one a text.
        window: characters that the next one follows from.
        length: characters of a text at most.
    """

    def __init__(self, packed: Packed, samplers: Sequence[Sampler], *, window: int, length: int) -> None:
        self._packed, self._samplers, self._window, self._length = packed, list(samplers), window, length
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
        """Write `count` characters of each text; return which, (lanes, count)."""
        return np.concatenate(
            [
                text.write(count, _draws([sampler], count))
                for text, sampler in zip(self._texts, self._samplers, strict=True)
            ]
        )

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes only, in this order."""
        self._samplers, self._texts = [self._samplers[n] for n in lanes], [self._texts[n] for n in lanes]


def packed(model: CharLSTM) -> Packed | None:
    """Return copies of the weights as the compiled decoders take them, or None where there are no such decoders."""
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
    )


def decoder_for(
    model: CharLSTM, weights: Packed | None, samplers: Sequence[Sampler], *, window: int | None, length: int
) -> Decoder:
    """Return the fastest decoder of these texts.

    Args:
        model: who writes.
        weights: what `packed` returns of it.
        samplers: one a text, of equal options.
        window: the seed document's way with a window of so many characters, or None: the state is carried on.
        length: characters of a text at most.
    """
    if weights is None or len(samplers) * (window or 0) * weights.layers * weights.units * 12 > _MAX_STATES:
        return fallback_decoder(model, samplers, window=window)
    if window is None:
        return StatefulDecoder(weights, samplers)
    return WindowDecoder(weights, samplers, window=window, length=length)


def _at_once(weights: Packed, lanes: int, most: int) -> int:
    return max(1, min(most, _CALL // (weights.products * lanes)))


def _pieces(prompt: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int32]]:
    for begin in range(0, len(prompt), size):
        yield prompt[begin : begin + size].astype(np.int32)


def _draws(samplers: Sequence[Sampler], count: int) -> NDArray[np.float64] | None:
    """Return the next random numbers of each text, (texts, count), or None: nothing is drawn."""
    if not samplers[0].options.temperature:
        return None
    return np.stack([sampler.draw(count) for sampler in samplers])
