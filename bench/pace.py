"""How fast `stream` learns against a plain loop with `nn.LSTM`, characters a second.

What: training steps of `stream`'s defaults, which take one thread, and of 384 units, 32 batch rows, 128 characters
on all threads, as in all epochs but the first; nothing is validated and nothing written.
Peer: bench/plain.py, the same sizes and threads in float32, in a process of its own; blocks of some steps take turns.
Bar: none of its own; the plain loop is what ours must be faster than.

    python -m bench.pace [TEXT]
"""

from collections.abc import Callable

import torch

from bench import plain
from bench.common import Row, in_turns, report, text_argument
from bench.overtake import as_learned, fitted
from bench.peer import PeerProcess
from shared.host import cores
from shared.requests.options import StreamRequest
from worker.training.train import train

#: Steps of a block, and pairs of blocks.
STEPS, ROUNDS = 20, 7
ENDLESS = {
    "epochs": 10_000,
    "patience": 0,
    "max_seconds": None,
    "seq_length_warmup": 0,
    "validation_fraction": 0.0,
    "sample_chars": 0,
}


def compare(request: StreamRequest, text: str, *, threads: int) -> Row:
    """Take turns, and return the characters a second of both as a row."""
    request = request.model_copy(update=ENDLESS)
    training = train(request, text, threads=threads)
    peer = PeerProcess()
    peer.call(plain.begin, request, as_learned(text, lowercase=request.lowercase), threads=threads)
    positions = request.batch_size * request.seq_length
    until = next(training).step

    def ours() -> int:
        nonlocal until
        torch.set_num_threads(threads)
        until += STEPS
        while next(training).step < until:
            pass
        return STEPS * positions

    acts: dict[str, Callable[[], float]] = {"plain": lambda: peer.call(plain.steps, STEPS), "ours": ours}
    turns = in_turns(acts, rounds=ROUNDS)
    training.close()
    return Row(
        what=f"characters a second, hidden {request.hidden_size}, {threads} thread{'s' * (threads > 1)}",
        unit="1/s",
        ours=1 / turns.median("ours"),
        peer=1 / turns.median("plain"),
        ratio=turns.ratio("plain", "ours"),
        least_ratio=1.0,
    )


def main() -> None:
    """Compare both."""
    text, _ = text_argument(__doc__ or "")
    wide = fitted(text, hidden_size=384, batch_size=32, seq_length=128)
    report(bench="pace", rows=[compare(fitted(text), text, threads=1), compare(wide, text, threads=cores())])


if __name__ == "__main__":
    main()
