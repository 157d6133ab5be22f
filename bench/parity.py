"""`classic` against a plain writing-down of the seed document's recipe: the same sums, and how long each takes.

Both train on the first part of the text with the document's options, from the same weights, in the same order of
windows, with the same dropout masks; they run one after the other on the same threads.
"""

import time

import numpy as np
import torch

from bench.common import report, text_argument
from shared.requests import ClassicRequest
from tests.worker.reference import document_training
from worker.randomness import Permutation, derive, seed_torch
from worker.train import train
from worker.trainevents import Done

SEED = 1


def main() -> None:
    """Compare over a few epochs of the first characters."""
    text, given = text_argument(__doc__ or "", characters=int, epochs=int)
    text, epochs = text[: given.characters or 6000], given.epochs or 3
    asked = {"corpus_id": "cor", "recipe": "classic", "epochs": epochs, "seed": SEED, "sample_chars": 0}
    request = ClassicRequest.model_validate(asked)
    began = time.perf_counter()
    *events, done = train(request, text)
    ours = time.perf_counter() - began
    assert isinstance(done, Done)
    count = len(text) - request.seq_length
    key = derive(SEED, "data")
    orders = [Permutation(count, derive(key, "windows", e))(np.arange(count)).tolist() for e in range(epochs)]
    began = time.perf_counter()
    printed, weights = document_training(
        text, weights=next(train(request, text)).state().part("model"), seq_length=request.seq_length,
        hidden_size=request.hidden_size, batch_size=request.batch_size, orders=orders,
        seed_step=lambda step: seed_torch(SEED, "step", step),
    )  # fmt: skip
    theirs = time.perf_counter() - began
    last = done.state().part("model")
    sums = [metric.evaluation_sum or 0.0 for metric in done.metrics]
    report(
        bench="parity", characters=len(text), epochs=epochs, events=len(events),
        document_sums=printed, our_sums=sums,
        worst_relative_loss=max(abs(a - b) / b for a, b in zip(sums, printed, strict=True)),
        worst_weight=max(float((last[name] - value).abs().max()) for name, value in weights.items()),
        bitwise=all(torch.equal(last[name], value) for name, value in weights.items()),
        document_seconds=round(theirs, 2), our_seconds=round(ours, 2),
    )  # fmt: skip


if __name__ == "__main__":
    main()
