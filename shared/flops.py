"""How many numbers a model learns, and what one step of its training computes. Knows numbers only: no torch."""

from shared.requests import ClassicRequest, StreamRequest

#: `stream` makes gradients orthogonal (worker/optimizer.py) up to this width: its cost grows with the cube. In so many
#: rounds, each of three products of H x H for each gate.
MOST_ORTHOGONAL, ROUNDS = 1024, 3


def parameters(request: ClassicRequest | StreamRequest, vocab_size: int) -> int:
    """Return how many numbers the model learns."""
    hidden, inputs = request.hidden_size, request.embedding_size or 1
    first = 4 * hidden * (inputs + hidden + 2)
    others = (request.layers - 1) * 4 * hidden * (2 * hidden + 2)
    return vocab_size * request.embedding_size + first + others + vocab_size * (hidden + 1)


def flops(request: ClassicRequest | StreamRequest, vocab_size: int, *, batch_size: int | None = None) -> float:
    """Return the floating-point operations of a batch's gradients: 2 a weight forward, 4 backward, at each position."""
    hidden = request.hidden_size
    batch_size = request.batch_size if batch_size is None else batch_size
    positions = batch_size * request.seq_length
    recurrent = parameters(request, vocab_size) - vocab_size * (request.embedding_size + hidden + 1)
    predicted = positions if request.recipe == "stream" else batch_size
    return 6.0 * (recurrent * positions + vocab_size * hidden * predicted)


def takes_muon(request: ClassicRequest | StreamRequest) -> bool:
    """Tell whether a training steps its square matrices by Muon."""
    return request.recipe == "stream" and request.hidden_size <= MOST_ORTHOGONAL


def optimizer_flops(request: ClassicRequest | StreamRequest) -> float:
    """Return the floating-point operations that a step takes beside its gradients, whatever the batch's size."""
    square = 2 * request.layers - 1
    return 2.0 * 3 * 4 * ROUNDS * square * request.hidden_size**3 if takes_muon(request) else 0.0
