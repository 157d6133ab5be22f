"""Computing the logits of the next character again and again, for one text or several side by side.

Two ways, by recipe: `CarriedWriter` keeps the LSTM's state (stream), `WindowWriter` reads the last characters anew from
a zero state each time (classic, as the seed document does). Knows no temperature and no events. No method leaves a
torch mode switched on, so the caller may yield between any two.
"""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.model import Carried, CharLSTM

#: Characters of a prompt that are read in one call: some milliseconds of work.
PROMPT_PIECE = 512


class Writer(Protocol):
    """Writes `lanes` texts side by side that begin with the same prompt."""

    #: Logits of the next character, (lanes, V) float32; overwritten by each call.
    logits: NDArray[np.float32]

    def advance(self, chosen: list[int]) -> None:
        """Append one character to each text and compute the logits after it."""

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes only, in this order."""


class WindowWriter:
    """The seed document's loop: the last `window` characters, from a zero state, for each character.

    A prompt shorter than the window keeps its own length, as the document's code does.
    """

    logits: NDArray[np.float32]

    def __init__(self, model: CharLSTM, prompt: NDArray[np.int64], *, lanes: int, window: int) -> None:
        self._model = model
        self._windows = torch.from_numpy(prompt[-window:].copy()).repeat(lanes, 1)  # (lanes, T) int64
        self._compute()

    def advance(self, chosen: list[int]) -> None:
        """Append one character to each text and compute the logits after it."""
        self._windows = torch.cat([self._windows[:, 1:], torch.tensor(chosen)[:, None]], dim=1)
        self._compute()

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes only, in this order."""
        self._windows = self._windows[lanes]
        self.logits = self.logits[lanes]

    def _compute(self) -> None:
        with torch.inference_mode():
            self.logits = self._model.last(self._windows).numpy()


class CarriedWriter:
    """One step of the LSTM for each character, its state carried on.

    The first layer's input product is a table with a row for each character. Gates stand in the order input, forget,
    output, cell, so that one call squashes three of them; every result goes to a place made once. That is what takes a
    character from 64 to about 20 microseconds (hidden size 256, bench/writing.py).
    """

    logits: NDArray[np.float32]

    def __init__(self, model: CharLSTM, carried: Carried, last_logits: Tensor, *, lanes: int) -> None:
        with torch.no_grad():
            hidden = model.hidden_size
            order = torch.cat([torch.arange(2 * hidden), torch.arange(3 * hidden, 4 * hidden),
                               torch.arange(2 * hidden, 3 * hidden)])  # fmt: skip
            weights = {name: value.detach() for name, value in model.state_dict().items()}
            self._recurrent = [weights[f"lstm.weight_hh_l{n}"][order].contiguous() for n in range(model.layers)]
            self._input = [weights[f"lstm.weight_ih_l{n}"][order].contiguous() for n in range(1, model.layers)]
            biases = [(weights[f"lstm.bias_ih_l{n}"] + weights[f"lstm.bias_hh_l{n}"])[order]
                      for n in range(model.layers)]  # fmt: skip
            self._biases = biases[1:]
            read = model.read(torch.arange(model.vocab_size)[:, None])[:, 0]  # (V, E)
            self._table = torch.addmm(biases[0], read, weights["lstm.weight_ih_l0"][order].t())  # (V, 4H)
            self._out, self._out_bias = weights["linear.weight"], weights["linear.bias"]
            self._h = [h.expand(lanes, -1).clone() for h in carried[0]]
            self._c = [c.expand(lanes, -1).clone() for c in carried[1]]
            self._last = last_logits.expand(lanes, -1).clone()
            self._allot()

    def _allot(self) -> None:
        """Make the places for results, one row a lane; a single lane computes on vectors, which is faster."""
        lanes, hidden = self._h[0].shape
        self._single = lanes == 1
        self._gates = torch.empty(lanes, 4 * hidden)
        self._inputs = torch.empty(lanes, 4 * hidden)
        self._squashed = torch.empty(lanes, hidden)
        if self._single:
            flat = [self._gates, self._inputs, self._squashed, self._last]
            self._gates, self._inputs, self._squashed, self._last = (t.view(-1) for t in flat)
            self._h, self._c = [h.view(-1) for h in self._h], [c.view(-1) for c in self._c]
            self._rows = self._table.unbind(0)
        else:
            self._recurrent_t = [w.t() for w in self._recurrent]
            self._input_t = [w.t() for w in self._input]
        self._sigmoids = self._gates[..., : 3 * hidden]
        self._parts = tuple(self._gates[..., n * hidden : (n + 1) * hidden] for n in range(4))
        self.logits = self._last.view(lanes, -1).numpy()

    def advance(self, chosen: list[int]) -> None:
        """Append one character to each text and compute the logits after it."""
        with torch.inference_mode():
            if self._single:
                self._advance_one(chosen[0])
            else:
                self._advance_many(chosen)

    def _advance_one(self, chosen: int) -> None:
        gates, h = self._gates, self._h
        torch.addmv(self._rows[chosen], self._recurrent[0], h[0], out=gates)
        self._squash(0)
        for n in range(1, len(h)):
            torch.addmv(self._biases[n - 1], self._input[n - 1], h[n - 1], out=self._inputs)
            torch.addmv(self._inputs, self._recurrent[n], h[n], out=gates)
            self._squash(n)
        torch.addmv(self._out_bias, self._out, h[-1], out=self._last)

    def _advance_many(self, chosen: list[int]) -> None:
        gates, h = self._gates, self._h
        torch.index_select(self._table, 0, torch.tensor(chosen), out=self._inputs)
        torch.addmm(self._inputs, h[0], self._recurrent_t[0], out=gates)
        self._squash(0)
        for n in range(1, len(h)):
            torch.addmm(self._biases[n - 1], h[n - 1], self._input_t[n - 1], out=self._inputs)
            torch.addmm(self._inputs, h[n], self._recurrent_t[n], out=gates)
            self._squash(n)
        torch.addmm(self._out_bias, h[-1], self._out.t(), out=self._last)

    def _squash(self, layer: int) -> None:
        """Turn the gates' sums into the layer's new (h, c), in place."""
        enter, forget, out, cell = self._parts
        h, c = self._h[layer], self._c[layer]
        self._sigmoids.sigmoid_()
        cell.tanh_()
        c.mul_(forget).addcmul_(enter, cell)
        torch.tanh(c, out=self._squashed)
        torch.mul(out, self._squashed, out=h)

    def keep(self, lanes: list[int]) -> None:
        """Go on with these lanes only, in this order."""
        rows = torch.tensor(lanes)
        hidden, size = self._recurrent[0].shape[1], self._out.shape[0]
        self._h = [h.view(-1, hidden)[rows] for h in self._h]
        self._c = [c.view(-1, hidden)[rows] for c in self._c]
        self._last = self._last.view(-1, size)[rows]
        self._allot()


def read_prompt(model: CharLSTM, piece: NDArray[np.int64], carried: Carried | None) -> tuple[Tensor, Carried]:
    """Read a piece of a prompt, (T,) int64, and return the logits after it, (1, V), and the state, (layers, 1, H)."""
    with torch.no_grad():
        outputs, carried = model.lstm(model.read(torch.from_numpy(piece)[None]), carried)
        logits: Tensor = model.linear(outputs[:, -1])
        return logits, carried
