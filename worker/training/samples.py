"""What a model writes while it is trained: a few characters at a time, its chance apart from the training's."""

from collections.abc import Callable

import numpy as np

from shared.requests.options import ClassicRequest, StreamRequest
from shared.text.prompt import MAX_WORD, word_start
from shared.text.vocabulary import Vocabulary
from worker.generation.decoders import decoder_for, packed
from worker.nn.model import CharLSTM
from worker.nn.randomness import rng
from worker.nn.sampling import Options, Sampler
from worker.training.data import Codes

#: Characters of the text that a sample continues (stream; classic takes a whole window), and its temperature.
PROMPT_LENGTH, TEMPERATURE = 100, 0.7
#: Seconds of writing between two checks of the caller.
BURST_S = 0.02


class SampleWriter:
    """Writes the sample of one epoch. Started again in another process it writes the same text."""

    temperature = TEMPERATURE

    def __init__(
        self,
        model: CharLSTM,
        request: ClassicRequest | StreamRequest,
        codes: Codes,
        vocabulary: Vocabulary,
        *,
        epoch: int,
    ) -> None:
        chance = rng(request.seed or 0, "sample", epoch)
        window = request.kind.window(min(request.seq_length, len(codes)))
        length = window or min(PROMPT_LENGTH, len(codes))
        begin = int(chance.integers(len(codes) - length + 1))
        before = vocabulary.decode(codes[max(0, begin - MAX_WORD) : begin].tolist())
        begin += word_start(before, len(before)) - len(before)
        self.prompt: list[int] = codes[begin : begin + length].tolist()
        self.written: list[int] = []
        self._length = request.sample_chars
        sampler = Sampler(Options(temperature=TEMPERATURE), chance)
        self._decoder = decoder_for(model, packed(model), [sampler], window=window, length=max(1, self._length))
        self._reading = self._decoder.read(np.array(self.prompt))
        self._read = False

    def write(self, began: float, clock: Callable[[], float]) -> bool:
        """Write for a few hundredths of a second from `began` on; return True if it is complete."""
        while not self._read:
            self._read = next(self._reading, "read") == "read"
            if clock() - began >= BURST_S:
                return False
        while len(self.written) < self._length:
            count = min(self._decoder.burst, self._length - len(self.written))
            self.written += self._decoder.write(count)[0].tolist()
            if clock() - began >= BURST_S:
                break
        return len(self.written) >= self._length
