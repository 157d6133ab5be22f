"""Decoders in torch and numpy, for models that the compiled ones don't support.

The stateful decoders carry the LSTM's state (stream), the window decoder reads the last characters again from a zero
state each time (classic, as in the seed document). Knows no events. No method leaves a torch mode switched on, so the
caller may yield between any two.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.generation.run_limits import Runs
from worker.nn.blas import one_thread
from worker.nn.fused import Carried
from worker.nn.model import CharLSTM
from worker.nn.sampling import Sampler

#: Characters of a prompt that are read in one call: some milliseconds of work.
PROMPT_PIECE = 512
_HALF = np.float32(0.5)


class FallbackDecoder(ABC):
    """Decodes one text for each sampler, character by character."""

    burst = 1
    #: Logits of the next character, (lanes, V) float32; overwritten for each character.
    _logits: NDArray[np.float32]

    def __init__(self, model: CharLSTM, samplers: Sequence[Sampler], *, runs: Runs | None = None) -> None:
        self._model, self._samplers, self._runs = model, list(samplers), runs
        self._chosen: list[int] = []

    @abstractmethod
    def read(self, prompt: NDArray[np.int64]) -> Iterator[None]:
        """Read the prompt, (T,), yielding now and then."""

    @abstractmethod
    def _advance(self, chosen: list[int]) -> None:
        """Append one character to each text and compute the logits after it."""

    @abstractmethod
    def _keep(self, lanes: list[int]) -> None:
        """Keep the rows of these lanes only, in this order."""

    def write(self, count: int) -> NDArray[np.int32]:
        """Write `count` characters of each text and return them, (lanes, count)."""
        written = []
        for _ in range(count):
            if self._chosen:
                self._advance(self._chosen)
            self._chosen = [self._choose(lane) for lane in range(len(self._samplers))]
            written.append(self._chosen)
        return np.array(written, np.int32).T

    def _choose(self, lane: int) -> int:
        sampler, logits, runs = self._samplers[lane], self._logits[lane], self._runs
        chosen = sampler.choose(logits)
        if runs is not None:
            if chosen == runs.banned(lane):
                chosen = sampler.choose_other(logits, chosen, sampler.last_draw)
                runs.cut(lane)
            runs.add(lane, chosen)
        return chosen

    def keep(self, lanes: list[int]) -> None:
        """Continue with these lanes only, in this order."""
        self._samplers, self._chosen = [self._samplers[n] for n in lanes], [self._chosen[n] for n in lanes]
        if self._runs is not None:
            self._runs.keep(lanes)
        self._keep(lanes)


class FallbackWindowDecoder(FallbackDecoder):
    """The seed document's loop: the last `window` characters, from a zero state, for each character.

    A prompt shorter than the window keeps its own length, as the document's code does.
    """

    def __init__(self, model: CharLSTM, samplers: Sequence[Sampler], *, window: int, runs: Runs | None = None) -> None:
        super().__init__(model, samplers, runs=runs)
        self._window = window

    def read(self, prompt: NDArray[np.int64]) -> Iterator[None]:
        """Read the end of the prompt, (T,), without a pause."""
        windows = torch.from_numpy(prompt[-self._window :].copy())
        self._windows = windows.repeat(len(self._samplers), 1)  # (lanes, T) int64
        self._compute()
        yield from ()

    def _advance(self, chosen: list[int]) -> None:
        self._windows = torch.cat([self._windows[:, 1:], torch.tensor(chosen)[:, None]], dim=1)
        self._compute()

    def _keep(self, lanes: list[int]) -> None:
        self._windows = self._windows[lanes]
        self._logits = self._logits[lanes]

    def _compute(self) -> None:
        with torch.inference_mode():
            self._logits = self._model.last(self._windows).numpy()


class _Stateful(FallbackDecoder):
    """Reads the prompt and carries the LSTM's state from there."""

    def read(self, prompt: NDArray[np.int64]) -> Iterator[None]:
        """Read the prompt, (T,), pausing every few milliseconds."""
        carried, logits = None, torch.empty(0)
        for begin in range(0, len(prompt), PROMPT_PIECE):
            logits, carried = read_prompt(self._model, prompt[begin : begin + PROMPT_PIECE], carried)
            yield
        if carried is None:
            raise ValueError("the prompt is empty")
        self._begin(carried, logits)

    @abstractmethod
    def _begin(self, carried: Carried, last_logits: Tensor) -> None:
        """Start from this state, (layers, 1, H) each, and its logits, (1, V)."""


class FallbackStatefulDecoder(_Stateful):
    """One step of the LSTM for each character of several texts, in torch; the states are carried.

    The first layer's input product is a table with a row for each character. The order of the gates is input, forget,
    output, cell, so that one call applies the sigmoid to three of them.
    """

    def _begin(self, carried: Carried, last_logits: Tensor) -> None:
        model, lanes = self._model, len(self._samplers)
        self._table, *rest = arranged(model)
        self._recurrent, self._input, self._biases = ([w.t() if w.dim() == 2 else w for w in part] for part in rest)
        self._out, self._out_bias = model.linear.weight.detach().t(), model.linear.bias.detach()
        with torch.no_grad():
            self._h, self._c = ([part.expand(lanes, -1).clone() for part in state] for state in carried)
            self._last = last_logits.expand(lanes, -1).clone()
        self._allot()

    def _allot(self) -> None:
        """Allocate the arrays for results, one row per lane."""
        lanes, hidden = self._h[0].shape
        self._gates, self._inputs = torch.empty(lanes, 4 * hidden), torch.empty(lanes, 4 * hidden)
        self._squashed = torch.empty(lanes, hidden)
        self._sigmoids = self._gates[:, : 3 * hidden]
        self._parts = tuple(self._gates[:, n * hidden : (n + 1) * hidden] for n in range(4))
        self._logits = self._last.numpy()

    @torch.inference_mode()
    def _advance(self, chosen: list[int]) -> None:
        gates, h = self._gates, self._h
        torch.index_select(self._table, 0, torch.tensor(chosen), out=self._inputs)
        for n, recurrent in enumerate(self._recurrent):
            if n:
                torch.addmm(self._biases[n - 1], h[n - 1], self._input[n - 1], out=self._inputs)
            torch.addmm(self._inputs, h[n], recurrent, out=gates)
            enter, forget, out, cell = self._parts
            self._sigmoids.sigmoid_()
            cell.tanh_()
            self._c[n].mul_(forget).addcmul_(enter, cell)
            torch.tanh(self._c[n], out=self._squashed)
            torch.mul(out, self._squashed, out=h[n])
        torch.addmm(self._out_bias, h[-1], self._out, out=self._last)

    def _keep(self, lanes: list[int]) -> None:
        rows = torch.tensor(lanes)
        self._h, self._c = [h[rows] for h in self._h], [c[rows] for c in self._c]
        self._last = self._last[rows]
        self._allot()


class FallbackSingleDecoder(_Stateful):
    """The same for one text, in numpy: its calls cost half of torch's, and its matrix-vector product is faster.

    A sigmoid is a tanh of half the sum, so one call does all four gates; halving the weights is exact. Figures:
    bench/writing.py.
    """

    def _begin(self, carried: Carried, last_logits: Tensor) -> None:
        model, hidden = self._model, self._model.hidden_size
        half = torch.ones(4 * hidden)
        half[: 3 * hidden] = 0.5
        table, recurrent, inputs, biases = arranged(model)
        self._rows = list((table * half).numpy())
        self._recurrent = [(w * half[:, None]).numpy() for w in recurrent]
        self._input = [(w * half[:, None]).numpy() for w in inputs]
        self._biases = [(b * half).numpy() for b in biases]
        self._out = model.linear.weight.detach().numpy().copy()
        self._out_bias = model.linear.bias.detach().numpy().copy()
        self._h, self._c = ([part[0].detach().numpy().copy() for part in state] for state in carried)
        self._logits = last_logits.detach().numpy().copy()
        self._last = self._logits[0]
        self._gates, self._inputs = np.empty(4 * hidden, np.float32), np.empty(4 * hidden, np.float32)
        self._squashed = np.empty(hidden, np.float32)
        self._sigmoids = self._gates[: 3 * hidden]
        self._parts = tuple(self._gates[n * hidden : (n + 1) * hidden] for n in range(4))

    def _advance(self, chosen: list[int]) -> None:
        gates, sigmoids, squashed = self._gates, self._sigmoids, self._squashed
        enter, forget, out, cell = self._parts
        inputs = self._rows[chosen[0]]
        below = inputs
        for n, recurrent in enumerate(self._recurrent):
            h, c = self._h[n], self._c[n]
            if n:
                inputs = np.dot(self._input[n - 1], below, out=self._inputs)
                inputs += self._biases[n - 1]
            np.dot(recurrent, h, out=gates)
            np.add(gates, inputs, out=gates)
            np.tanh(gates, out=gates)
            np.multiply(sigmoids, _HALF, out=sigmoids)
            np.add(sigmoids, _HALF, out=sigmoids)
            np.multiply(c, forget, out=c)
            np.multiply(enter, cell, out=cell)
            np.add(c, cell, out=c)
            np.tanh(c, out=squashed)
            below = np.multiply(out, squashed, out=h)
        np.dot(self._out, below, out=self._last)
        np.add(self._last, self._out_bias, out=self._last)

    def _keep(self, lanes: list[int]) -> None:
        """There is one lane."""


def fallback_decoder(
    model: CharLSTM, samplers: Sequence[Sampler], *, window: int | None, runs: Runs | None = None
) -> FallbackDecoder:
    """Return the fastest decoder for so many texts whose results don't depend on the number of threads."""
    if window is not None:
        return FallbackWindowDecoder(model, samplers, window=window, runs=runs)
    single = len(samplers) == 1 and one_thread()
    kind = FallbackSingleDecoder if single else FallbackStatefulDecoder
    return kind(model, samplers, runs=runs)


@torch.no_grad()
def arranged(model: CharLSTM) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
    """Return `per_character` with the gates' rows in the order input, forget, output, cell."""
    enter, forget, cell, out = torch.arange(4 * model.hidden_size).view(4, -1)
    order = torch.cat([enter, forget, out, cell])
    table, *rest = per_character(model)
    recurrent, inputs, biases = ([weights[order] for weights in part] for part in rest)
    return table[:, order], recurrent, inputs, biases


@torch.no_grad()
def per_character(model: CharLSTM) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
    """Return (table, recurrent, inputs, biases), in torch's order of the gates' rows.

    table: (V, 4H), the first layer's input product for each character, with biases. recurrent: (4H, H) for each layer.
    inputs and biases: (4H, H) and (4H,) for each layer but the first.
    """
    weights = {name: value.detach() for name, value in model.lstm.named_parameters()}
    layers = range(model.layers)
    biases = [weights[f"bias_ih_l{n}"] + weights[f"bias_hh_l{n}"] for n in layers]
    read = model.read(torch.arange(model.vocab_size)[:, None])[:, 0]  # (V, E)
    table = torch.addmm(biases[0], read, weights["weight_ih_l0"].t())
    recurrent = [weights[f"weight_hh_l{n}"] for n in layers]
    return table, recurrent, [weights[f"weight_ih_l{n}"] for n in layers[1:]], biases[1:]


def read_prompt(model: CharLSTM, piece: NDArray[np.int64], carried: Carried | None) -> tuple[Tensor, Carried]:
    """Read a piece of a prompt, (T,) int64, and return the logits after it, (1, V), and the state, (layers, 1, H)."""
    with torch.no_grad():
        outputs, carried = model.lstm(model.read(torch.from_numpy(piece)[None]), carried)
        logits: Tensor = model.linear(outputs[:, -1])
        return logits, carried
