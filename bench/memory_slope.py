"""Bytes of memory that a training takes for each character of its corpus, and what `shared/requests/fit.py` predicts.

Trains for a few batches on corpora of growing length, made of the given text over and over and read from the volume as
a worker does, each in a process of its own. What a training takes is its highest resident memory less what the process
had before: an idle worker. The slope is that of the least squares line.
Peer: the peak that `shared/requests/fit.py` predicts, by which a worker refuses what doesn't fit it.
Bar: the prediction is never less than what was taken.
"""

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import Row, forget_peak, memory_of, report, text_argument, write_lengthened
from shared.requests.fit import memory_bytes
from shared.requests.options import TRAIN_REQUESTS
from shared.volume import Corpora
from worker.training.train import train

LENGTHS = (100_000, 1_000_000, 10_000_000, 100_000_000)
LARGER = (("stream", 256, 32), ("stream", 1024, 32), ("classic", 256, 128), ("stream", 256, 256))
SMALL = {"corpus_id": "cor", "seed": 1, "hidden_size": 64}


def measured(folder: Path, corpus_id: str, sizes: dict[str, Any], steps: int, threads: int) -> tuple[int, int, int]:
    """Return (idle, peak, predicted) bytes of this process, which trains for some steps and captures its state."""
    corpora = Corpora(folder)
    kind = TRAIN_REQUESTS[sizes["recipe"]]
    request = kind.model_validate(SMALL | sizes)
    idle = memory_of("self", "VmRSS")
    forget_peak("self")
    for event in islice(train(request, lambda: corpora.parts(corpus_id), threads=threads), steps):
        event.state()
    chars, vocab_size = corpora.get(corpus_id).normalized_size(
        lowercase=request.lowercase, drop_bom=request.kind.drops_bom
    )
    return idle, memory_of("self", "VmHWM"), memory_bytes(request, chars, vocab_size)


def apart(folder: Path, corpus_id: str, *, steps: int, threads: int, **sizes: Any) -> tuple[int, int, int]:
    """Return `measured` of a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, folder, corpus_id, sizes, steps, threads).result()


def main() -> None:
    """Measure both recipes, then some larger models."""
    text, _ = text_argument(__doc__ or "")
    slopes: dict[str, float] = {}
    lengths: list[dict[str, Any]] = []
    models: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpora = Corpora(folder / "corpora")
        ids = {}
        for length in LENGTHS:
            write_lengthened(folder / "text", text, length)
            with (folder / "text").open("rb") as file:
                ids[length] = corpora.add(file, name="text", max_bytes=1 << 30)[0].id
        for recipe in ("stream", "classic"):
            over = []
            for length in LENGTHS:
                idle, peak, predicted = apart(folder / "corpora", ids[length], steps=8, threads=1, recipe=recipe)
                over.append(peak - idle)
                lengths.append(
                    {
                        "recipe": recipe,
                        "chars": length,
                        "over_idle_mib": over[-1] >> 20,
                        **_figures(idle, peak, predicted),
                    }
                )
                print(lengths[-1])
            slopes[recipe] = round(float(np.polyfit(LENGTHS, over, 1)[0]), 2)
            print(recipe, slopes[recipe], "bytes a character")
        for recipe, hidden, batch in LARGER:
            sizes = {"recipe": recipe, "hidden_size": hidden, "batch_size": batch}
            figures = apart(folder / "corpora", ids[LENGTHS[0]], steps=4, threads=2, **sizes)
            models.append({**sizes, **_figures(*figures)})
            print(models[-1])
    rows = [
        Row(
            what=f"{one['recipe']}, {sizes}",
            unit="MiB",
            ours=one["peak_mib"],
            peer=one["predicted_mib"],
            ratio=one["predicted_times"],
            least_ratio=1.0,
        )
        for one, sizes in [
            *((one, f"{one['chars']:,} characters") for one in lengths),
            *((one, f"hidden {one['hidden_size']}, batch {one['batch_size']}") for one in models),
        ]
    ]
    report(bench="memory_slope", rows=rows, bytes_per_character=slopes, lengths=lengths, models=models)


def _figures(idle: int, peak: int, predicted: int) -> dict[str, Any]:
    return {
        "idle_mib": idle >> 20,
        "peak_mib": peak >> 20,
        "predicted_mib": predicted >> 20,
        "predicted_times": round(predicted / peak, 2),
    }


if __name__ == "__main__":
    main()
