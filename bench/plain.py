"""A plain loop that learns every position of a text with `nn.LSTM`, float32: what anybody would write first.

After nanoGPT's and char-rnn's recipes: chunks read side by side, the state carried on, Adam, the gradient clipped. The
peer of `pace`; not part of the service.

It runs in a process of its own, since its threads wait for one another by spinning, OpenMP's default: on an idle
machine that is faster than a worker's way, as long as nobody else's threads want the cores.
"""

import json
import os
import subprocess
import sys

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.requests.options import StreamRequest
from shared.text.vocabulary import Vocabulary

#: The benches' package imports the worker's, which lets threads sleep; torch reads that once, so it is loaded before.
_SERVE = "import torch; from bench.plain import serve; serve()"


class PlainLoop:
    """A network of a request's sizes, and a text that it goes round and round."""

    def __init__(self, request: StreamRequest, text: str) -> None:
        vocabulary = Vocabulary.of(text)
        self._codes = torch.tensor(vocabulary.encode(text))
        self._embedding = nn.Embedding(len(vocabulary), request.embedding_size)
        between = request.dropout if request.layers > 1 else 0.0
        self._lstm = nn.LSTM(
            request.embedding_size, request.hidden_size, request.layers, batch_first=True, dropout=between
        )
        self._linear = nn.Linear(request.hidden_size, len(vocabulary))
        self._parameters = [*self._embedding.parameters(), *self._lstm.parameters(), *self._linear.parameters()]
        self._optimizer = torch.optim.Adam(self._parameters, lr=request.learning_rate)
        self._request = request
        rows = torch.arange(request.batch_size) * (len(text) // request.batch_size)
        self._places = rows[:, None] + torch.arange(request.seq_length + 1)
        self._carried: tuple[Tensor, Tensor] | None = None

    def step(self) -> int:
        """Learn one chunk of every batch row; return how many characters were predicted."""
        both = self._codes[self._places % len(self._codes)]  # (B, T + 1) int64
        outputs, (h, c) = self._lstm(self._embedding(both[:, :-1]), self._carried)
        logits = self._linear(functional.dropout(outputs, self._request.dropout))
        loss = functional.cross_entropy(logits.flatten(0, 1), both[:, 1:].flatten())
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, self._request.grad_clip)
        self._optimizer.step()
        self._carried = (h.detach(), c.detach())
        self._places += self._request.seq_length
        return both[:, 1:].numel()


class PlainProcess:
    """A plain loop in a process of its own, which does as many steps as it is asked for."""

    def __init__(self, request: StreamRequest, text: str, *, threads: int) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ask({"request": request.model_dump(mode="json"), "text": text, "threads": threads})

    def steps(self, count: int) -> int:
        """Make so many steps; return how many characters were predicted."""
        return self._ask({"steps": count})

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, question: dict[str, object]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def serve() -> None:
    """Answer each line of standard input with a number: of characters predicted."""
    given = json.loads(sys.stdin.readline())
    torch.set_num_threads(given["threads"])
    loop = PlainLoop(StreamRequest.model_validate(given["request"]), given["text"])
    print(0, flush=True)
    for line in sys.stdin:
        print(sum(loop.step() for _ in range(json.loads(line)["steps"])), flush=True)
