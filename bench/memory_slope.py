"""Bytes of memory that a training takes for each character of its corpus, and what `shared/fit.py` foretells.

Trains for a few batches on texts of growing length, made of the given one over and over, each in a process of its own,
and takes the highest resident memory of each. The slope is that of the least squares line.
"""

import multiprocessing
import resource
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from bench.common import report, text_argument
from shared.fit import memory_bytes
from shared.requests import ClassicRequest, StreamRequest
from worker.train import train

LENGTHS = (1_000_000, 20_000_000, 40_000_000, 80_000_000)
LARGER = (("stream", 256, 32), ("stream", 1024, 32), ("classic", 256, 128), ("stream", 256, 256))
SMALL = {"corpus_id": "cor", "seed": 1, "hidden_size": 64}


def peak(recipe: str, piece: str, length: int) -> int:
    """Return the peak resident memory, in bytes, of a process that trains for a few batches."""
    kind = ClassicRequest if recipe == "classic" else StreamRequest
    request = kind.model_validate(SMALL | {"recipe": recipe})
    text = (piece * (length // len(piece) + 1))[:length]
    for _ in islice(train(request, text, threads=1), 8):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_at(recipe: str, hidden: int, batch: int, piece: str) -> tuple[int, int]:
    """Return (measured, foretold) memory of a larger model on a short text."""
    kind = ClassicRequest if recipe == "classic" else StreamRequest
    request = kind.model_validate(SMALL | {"recipe": recipe, "hidden_size": hidden, "batch_size": batch})
    for event in islice(train(request, piece, threads=2), 4):
        event.state()
    measured = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return measured, memory_bytes(request, len(piece), len(set(piece)))


def main() -> None:
    """Measure both recipes, then some larger models."""
    text, _ = text_argument(__doc__ or "")
    slopes: dict[str, float] = {}
    peaks: dict[str, dict[str, int]] = {}
    sizes: list[dict[str, Any]] = []
    for recipe in ("stream", "classic"):
        found = []
        for length in LENGTHS:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                found.append(pool.submit(peak, recipe, text, length).result())
        peaks[recipe] = dict(zip(map(str, LENGTHS), found, strict=True))
        slopes[recipe] = round(float(np.polyfit(LENGTHS, found, 1)[0]), 2)
        print(recipe, slopes[recipe], "bytes a character", peaks[recipe])
    for recipe, hidden, batch in LARGER:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            measured, foretold = pool.submit(peak_at, recipe, hidden, batch, text[:100_000]).result()
        sizes.append({"recipe": recipe, "hidden_size": hidden, "batch_size": batch, "measured_mib": measured >> 20,
                      "foretold_mib": foretold >> 20})  # fmt: skip
        print(sizes[-1])
    report(bench="memory_slope", bytes_per_character=slopes, peaks=peaks, sizes=sizes)


if __name__ == "__main__":
    main()
