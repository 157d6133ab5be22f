"""Counts a model's parameters and the operations of one training step. Knows numbers only: no torch."""

from shared.requests.options import ClassicRequest, StreamRequest

#: Rounds in which `stream` makes gradients orthogonal (worker/nn/optimizer.py): for each gate three products of H x H.
ROUNDS = 2
#: Muon is used where they take at most so much of a step, as in one layer of 1,024 units: they grow with the width
#: cubed.
MAX_ORTHOGONAL_FLOPS = 53.3e9


def parameters(request: ClassicRequest | StreamRequest, vocab_size: int) -> int:
    """Return the number of the model's parameters."""
    hidden, inputs = request.hidden_size, request.embedding_size or 1
    first = 4 * hidden * (inputs + hidden + 2)
    others = (request.layers - 1) * 4 * hidden * (2 * hidden + 2)
    return vocab_size * request.embedding_size + first + others + vocab_size * (hidden + 1)


def flops(request: ClassicRequest | StreamRequest, vocab_size: int, *, batch_size: int | None = None) -> float:
    """Return the floating-point operations of a batch's gradients: per weight and position 2 forward, 4 backward."""
    hidden = request.hidden_size
    batch_size = request.batch_size if batch_size is None else batch_size
    positions = batch_size * request.seq_length
    recurrent = parameters(request, vocab_size) - vocab_size * (request.embedding_size + hidden + 1)
    predicted = request.kind.targets(batch_size=batch_size, seq_length=request.seq_length)
    return 6.0 * (recurrent * positions + vocab_size * hidden * predicted)


def takes_muon(request: ClassicRequest | StreamRequest) -> bool:
    """Return True if a training updates its square matrices by Muon."""
    return request.kind.may_take_muon and _orthogonal_flops(request) <= MAX_ORTHOGONAL_FLOPS


def optimizer_flops(request: ClassicRequest | StreamRequest) -> float:
    """Return the floating-point operations of a step besides its gradients, whatever the batch size."""
    return _orthogonal_flops(request) if takes_muon(request) else 0.0


def _orthogonal_flops(request: ClassicRequest | StreamRequest) -> float:
    gates = 4 * (2 * request.layers - 1)  # what enters the first layer is no square matrix
    return 2.0 * 3 * ROUNDS * gates * request.hidden_size**3


def warmup_parts(warmup_epochs: int, epoch: int) -> int:
    """Return how many parts, with a step each, `seq_length_warmup` cuts a batch of this epoch into, from 0."""
    return 1 << max(0, warmup_epochs - epoch)
