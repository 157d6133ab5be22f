"""How well `stream` writes molecules: MOSES's measures, next to its published character LSTM.

What: a training on MOSES's 1.58 million molecules, one per line; then 30,000 written at temperature 1.0. *Valid*: share
that RDKit can read; *unique*: share of the first 10,000 valid ones that are different; *new*: share of the different
valid ones that aren't in the training set; *FCD*: Fréchet ChemNet distance to MOSES's test set, 0 for equal sets.
Peer: MOSES's CharRNN: three layers of 768 units, 80 epochs, 30,000 written (Polykovskiy et al. 2020, table 1).
Bar: valid 0.95, FCD 0.35.

Needs three packages that are no dependencies of Charloom: `molsets`, whose wheel is read and not installed
(`pip download --no-deps molsets`), and, in the environment of the bench, `rdkit` and `fcd_torch` (`--no-deps`).

    python -m bench.moses molsets-0.3.1-py3-none-any.whl --epochs 1 --options '{"hidden_size": 512}'
    python -m bench.moses molsets-0.3.1-py3-none-any.whl --model FOLDER     only write with a model, and judge
"""

import argparse
import csv
import gzip
import io
import json
import os
import time
import zipfile
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import worker  # noqa: F401  # before torch: it says how threads wait
from bench.common import Row, report
from bench.suite import existing_file
from shared.host import cores
from shared.requests.fit import fit
from shared.requests.options import StreamRequest
from shared.requests.writing import GenerateRequest, WriteItems
from worker.formats.bundle import BUNDLE, load_model, write_model
from worker.generation.items import write_items
from worker.generation.loaded import LoadedModel
from worker.training.events import Done, Metric
from worker.training.measure import measure
from worker.training.train import train

DATA = "moses/dataset/data/"
WRITTEN, UNIQUE_OF = 30_000, 10_000
PUBLISHED = {"valid": 0.9748, "unique": 0.9994, "new": 0.8419, "FCD": 0.0732}
BARS = {"valid": 0.95, "FCD": 0.35}
REPORT_S = 60.0


def main() -> None:
    """Train, or load a model; write; judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=existing_file, help="the wheel of molsets")
    parser.add_argument("--model", type=Path, help="folder of a model, written there if it isn't there yet")
    parser.add_argument("--seconds", type=float, help="end the training after so many seconds")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--options", type=json.loads, default={}, help="further options of the training, JSON")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--count", type=int, default=WRITTEN, help="molecules to write")
    given = parser.parse_args()
    with zipfile.ZipFile(given.wheel) as wheel:
        known = read_molecules(wheel.read(DATA + "train.csv.gz"))
        loaded = np.load(io.BytesIO(wheel.read(DATA + "test_stats.npz")), allow_pickle=True)
    target = loaded["stats"].item()["FCD"]
    figures: dict[str, Any] = {}
    if given.model is None or not (given.model / BUNDLE).exists():
        asked = {"max_seconds": given.seconds, "epochs": given.epochs, **given.options}
        figures = learn(known, {name: value for name, value in asked.items() if value is not None}, given)
    model = load_model(given.model)
    figures["options"] = dict(model.params)
    began = time.perf_counter()
    written = write(model, given.count)
    figures["writing_s"] = round(time.perf_counter() - began, 1)
    found = judge(written, set(known), target)
    rows = [
        Row(
            what=name,
            unit="" if name == "FCD" else "share",
            ours=value,
            peer=PUBLISHED[name],
            ratio=value / PUBLISHED[name] if name == "valid" else None,
            least_ratio=BARS["valid"] / PUBLISHED["valid"] if name == "valid" else None,
            most=BARS["FCD"] if name == "FCD" else None,
        )
        for name, value in found.items()
    ]
    report(bench="moses", rows=rows, written=len(written), **figures)


def read_molecules(packed: bytes) -> list[str]:
    """Return the first column of a packed CSV file without its heading."""
    rows = csv.reader(gzip.decompress(packed).decode("ascii").splitlines())
    next(rows)
    return [row[0] for row in rows]


def learn(molecules: Sequence[str], asked: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """Train from random weights, keep the model, and return what it took."""
    text = "\n".join([*molecules, ""])
    plain = {
        "corpus_id": "cor",
        "seed": 1,
        "init_from": None,
        "items": {"separator": "\n"},
        "validation_fraction": 0.003,
    }
    request = StreamRequest.model_validate(plain | asked)
    speeds = [measure(given.threads)]
    request = fit(request, chars=len(text), vocab_size=len(set(text)), memory_limit_bytes=None, speeds=speeds)
    began, reported = time.monotonic(), 0.0
    for event in train(request, text, threads=given.threads):
        took = time.monotonic() - began
        if isinstance(event, Metric) and took - reported >= REPORT_S:
            reported = took
            print(f"{took:7.0f} s  step {event.step}, loss {event.train_loss or 0:.4f}", flush=True)
        if isinstance(event, Done):
            given.model = given.model or Path("moses-model")
            given.model.mkdir(parents=True, exist_ok=True)
            write_model(
                given.model,
                params=request.model_dump(mode="json"),
                vocabulary=event.vocabulary,
                weights=event.weights,
                losses=event.losses,
                metrics=event.metrics,
            )
            used = sum(os.times()[:2])
            return {"training_s": round(took), "processor_s": round(used), "validation_loss": event.losses.validation}
    raise AssertionError("the trainer yielded no Done")


def write(model: LoadedModel, count: int) -> list[str]:
    """Write molecules at temperature 1.0, as they come: doubled ones and known ones among them."""
    wanted = WriteItems(count=count, unique=False, separator="\n")
    request = GenerateRequest.model_validate({"model_id": "mod", "temperature": 1.0, "seed": 1})
    return [item.text for batch in write_items(model, request, wanted, None) for item in batch.items]


def judge(written: Sequence[str], known: Container[str], target: dict[str, Any]) -> dict[str, float]:
    """Return MOSES's measures of what was written."""
    # Only here: the training needs neither.
    from fcd_torch import FCD  # type: ignore[import-not-found]  # noqa: PLC0415
    from rdkit import Chem, RDLogger  # type: ignore[import-not-found]  # noqa: PLC0415

    RDLogger.DisableLog("rdApp.*")
    read = [Chem.MolFromSmiles(text) for text in written]
    valid = [Chem.MolToSmiles(molecule) for molecule in read if molecule is not None]
    different = set(valid)
    return {
        "valid": len(valid) / len(written),
        "unique": len(set(valid[:UNIQUE_OF])) / min(UNIQUE_OF, len(valid)),
        "new": sum(text not in known for text in different) / len(different),
        "FCD": float(FCD(n_jobs=1).metric(target, FCD(n_jobs=1).precalc(valid))),
    }


if __name__ == "__main__":
    main()
