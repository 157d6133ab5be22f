"""What a model writes while it is trained: a few characters at a time, its chance apart from the training's."""

from collections.abc import Callable

import numpy as np

from shared.requests import ClassicRequest, StreamRequest
from worker.data import Codes
from worker.model import CharLSTM
from worker.randomness import rng
from worker.sampling import Sampler
from worker.writers import WindowWriter, Writer, carried_writer, read_prompt

#: Characters of the text that a sample goes on from (stream; classic takes a whole window), and its temperature.
PROMPT_LENGTH, TEMPERATURE = 100, 0.7
#: Seconds of writing between two looks of the caller.
BURST_S = 0.02


class SampleWriter:
    """Writes the sample of one epoch. Begun anew in another process it writes the same text."""

    temperature = TEMPERATURE

    def __init__(self, model: CharLSTM, request: ClassicRequest | StreamRequest, codes: Codes, *, epoch: int) -> None:
        chance = rng(request.seed or 0, "sample", epoch)
        length = min(request.seq_length if request.recipe == "classic" else PROMPT_LENGTH, len(codes))
        begin = int(chance.integers(len(codes) - length + 1))
        self.prompt: list[int] = codes[begin : begin + length].tolist()
        self.written: list[int] = []
        self._length = request.sample_chars
        self._sampler = Sampler(temperature=TEMPERATURE, rng=chance)
        prompt = np.array(self.prompt)
        self._writer: Writer
        if request.recipe == "classic":
            self._writer = WindowWriter(model, prompt, lanes=1, window=length)
        else:
            logits, carried = read_prompt(model, prompt, None)
            self._writer = carried_writer(model, carried, logits, lanes=1)

    def write(self, began: float, clock: Callable[[], float]) -> bool:
        """Write for a few hundredths of a second from `began` on, at least one character; tell whether it is whole."""
        while len(self.written) < self._length:
            if self.written:
                self._writer.advance(self.written[-1:])
            self.written.append(self._sampler.choose(self._writer.logits[0]))
            if clock() - began >= BURST_S:
                break
        return len(self.written) >= self._length
