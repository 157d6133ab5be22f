"""A plain loop that learns every position of a text with `nn.LSTM`, float32: what anybody would write first.

After nanoGPT's and char-rnn's recipes: chunks read side by side, the state carried on, Adam, the gradient clipped. The
peer of `pace`, in a process of its own (bench/peer.py); not part of the service.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.requests.options import StreamRequest
from shared.text.vocabulary import Vocabulary


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


#: The loop of this process.
_loop: PlainLoop | None = None


def begin(request: StreamRequest, text: str, *, threads: int) -> None:
    """Make this process's loop."""
    global _loop  # noqa: PLW0603  # a peer's process has one
    torch.set_num_threads(threads)
    _loop = PlainLoop(request, text)


def steps(count: int) -> int:
    """Let it make so many steps; return how many characters were predicted."""
    assert _loop is not None
    return sum(_loop.step() for _ in range(count))
