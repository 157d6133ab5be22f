"""Whether steps take as long once gradients have vanished: torch's own LSTM on one repeated character, many epochs.

    CHARLOOM_KERNEL=none python -m bench.denormals [--seconds 20]

What: milliseconds of one thread's processor time for a step, in the first and in the last fifth, with denormals flushed
to zero, as trainings do, and without: the fastest tenth, since other processes only add. Prints a JSON line.
"""

import argparse
import time
from statistics import quantiles

import torch

import worker  # noqa: F401  # before torch's threads
from bench.common import report
from shared.requests.options import StreamRequest
from worker.training.train import train

#: The other character is in the validation part alone: nothing but the model's certainty is left to learn.
_TEXT = "a" * 8000 + "b"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="processor time of each training")
    given = parser.parse_args()
    found = {name: steps(given.seconds, flush=flush) for name, flush in (("flushed", True), ("kept", False))}
    report(bench="denormals", **found)


def steps(seconds: float, *, flush: bool) -> dict[str, float]:
    """Train so long; return what a step takes first and last."""
    request = StreamRequest.model_validate(
        {"corpus_id": "none", "seed": 1, "epochs": 10_000, "patience": 0, "sample_chars": 0, "validation_fraction": 0.1}
        | {"hidden_size": 64, "embedding_size": 16, "batch_size": 8, "seq_length": 64, "precision": "float32"}
        | {"dropout": 0.0, "learning_rate": 0.01}
    )
    times: list[float] = []
    began = before = time.thread_time()
    for _ in train(request, _TEXT, threads=1, fused=False):
        torch.set_flush_denormal(flush)
        now = time.thread_time()
        times.append((now - before) * 1000)
        before = now
        if now - began > seconds:
            break
    fifth = len(times) // 5
    return {
        "steps": len(times),
        "first_ms": quantiles(times[:fifth], n=10)[0],
        "last_ms": quantiles(times[-fifth:], n=10)[0],
    }


if __name__ == "__main__":
    main()
