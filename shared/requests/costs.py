"""About how long jobs run on a modest host. Only the order of the queues depends on it: whose turn it is."""

from shared.requests.fit import FLOPS_PER_SECOND
from shared.requests.flops import flops
from shared.requests.options import ClassicRequest, StreamRequest
from shared.requests.writing import GenerateRequest

#: Characters that a modest host writes in a second; characters assumed of an item.
_WRITTEN_PER_SECOND, _ITEM_CHARS = 20_000, 40
#: What any job takes.
_MIN_SECONDS = 0.1


def training_seconds(request: ClassicRequest | StreamRequest, chars: int, vocab_size: int) -> float:
    """Return the seconds of a training, its options concrete: its time limit, or less if its epochs take less."""
    step = flops(request, vocab_size) / FLOPS_PER_SECOND
    windows = 1 if request.kind.is_windowed else request.seq_length
    seconds = request.epochs * chars / (request.batch_size * windows) * step
    return max(_MIN_SECONDS, min(seconds, request.max_seconds or seconds))


def writing_seconds(request: GenerateRequest) -> float:
    """Return the seconds of a writing, its options concrete."""
    chars = request.items.count * _ITEM_CHARS if request.items else request.n * request.length
    return max(_MIN_SECONDS, chars / _WRITTEN_PER_SECOND)
