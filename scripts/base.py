"""Make the base that comes along: `python -m scripts.base` (or `make base`) fetches its texts, trains it and packs it.

    python -m scripts.base --epochs 3        better, and takes longer
    python -m scripts.base --shelf FOLDER    packages that are there already aren't fetched

Writes `shared/bases/english.zip` and its card, `english.md`. apt-get, dpkg and npm fetch and unpack the texts; pysword
(`pip install pysword`) reads one of them. The same command on the same kind of processor gives the same file.
"""

import argparse
import hashlib
import platform
import shutil
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import torch

from scripts.base_texts import SOURCES, english
from shared.bases.packaged import FOLDER
from shared.requests.options import StreamRequest
from worker.formats.bundle import write_model
from worker.training import events
from worker.training.train import Start, train

OPTIONS: dict[str, Any] = {
    "hidden_size": 384,
    "embedding_size": 64,
    "seq_length": 128,
    "batch_size": 32,
    "dropout": 0.0,
    "weight_dropout": 0.0,
    "learning_rate": 0.01,
    "validation_fraction": 0.01,
    "patience": 0,
    "sample_chars": 300,
    "precision": "float32",
    "seed": 1,
}
#: Seconds between two lines of progress.
_REPORT_S = 20

CARD = """# English

A `stream` model of English with {parameters:,} parameters, from which trainings on English texts start automatically.

| | |
| --- | --- |
| made by | `{command}` on {machine} |
| options | {options} |
| text | {chars:,} characters, {vocabulary} of them different; SHA-256 `{text_sha256}` |
| loss | {validation:.3f} nats per character on the last hundredth of the text, after rounding {rounded:.3f} |
| file | `english.zip`, {bytes:,} bytes, SHA-256 `{sha256}`; weights rounded to bfloat16 |

## Texts
All are in the public domain. Pieces of some 20,000 characters are shuffled, and every other one has typed marks for
typographic ones.

| work | licence | package |
| --- | --- | --- |
{sources}

The texts that models are judged on, the seed document's book, tinyshakespeare and Debian's `fortunes`, are not among
them.

## What it writes
{sample}

## Limits
It knows prose of the 19th century, speeches, a modern Bible and two dictionaries: no dialogue of today, no code, no
other language. What it was trained on shows: it may write of whales, Congress or the Lord.
"""


def main() -> None:
    """Make the base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shelf", type=Path, help="folder for the packages; a temporary one if omitted")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seconds", type=float, help="end the training after so many seconds")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = english(arguments.shelf or Path(folder))
    request = StreamRequest(
        corpus_id="", init_from=None, epochs=arguments.epochs, max_seconds=arguments.seconds, **OPTIONS
    )
    done, sample = learn(request, text, threads=arguments.threads)
    write(request, done, sample, text, threads=arguments.threads)


def learn(request: StreamRequest, text: str, *, threads: int) -> tuple[events.Done, str]:
    """Train to the end; return the result and the last sample."""
    reported, sample = time.monotonic(), ""
    for event in train(request, text, threads=threads):
        match event:
            case events.Progress() if time.monotonic() - reported > _REPORT_S:
                reported = time.monotonic()
                print(f"step {event.step} of {event.total_steps}, loss {event.train_loss or 0:.3f}", flush=True)
            case events.Sample():
                sample = event.text
            case events.Done():
                return event, sample
    raise AssertionError("the trainer yielded no Done")


def write(request: StreamRequest, done: events.Done, sample: str, text: str, *, threads: int) -> None:
    """Write the base and its card."""
    weights = {name: value.to(torch.bfloat16).to(torch.float32) for name, value in done.weights.items()}
    packed = FOLDER / "english.zip"
    with tempfile.TemporaryDirectory() as name:
        built = Path(name)
        write_model(
            built,
            params=request.model_dump(mode="json"),
            vocabulary=done.vocabulary,
            weights=weights,
            losses=done.losses,
            metrics=done.metrics,
        )
        with zipfile.ZipFile(built / "bundle.zip") as whole, zipfile.ZipFile(built / "packed.zip", "w") as small:
            for entry in whole.infolist():
                small.writestr(entry, whole.read(entry), compress_type=zipfile.ZIP_DEFLATED, compresslevel=9)
        shutil.copyfile(built / "packed.zip", packed)
    card = CARD.format(
        parameters=sum(value.numel() for value in weights.values()),
        command=f"python -m scripts.base --epochs {request.epochs}"
        + (f" --seconds {request.max_seconds:g}" if request.max_seconds else "")
        + f" --threads {threads}",
        machine=f"{processor()}, torch {torch.__version__}",
        options=", ".join(f"{name} {value}" for name, value in OPTIONS.items()),
        chars=len(text),
        vocabulary=len(done.vocabulary),
        text_sha256=hashlib.sha256(text.encode()).hexdigest(),
        validation=done.losses.validation or 0,
        rounded=validation_loss(request, text, weights, done),
        bytes=packed.stat().st_size,
        sha256=hashlib.sha256(packed.read_bytes()).hexdigest(),
        sources="\n".join(f"| {s.work} | {s.licence} | `{s.package}` {s.version} |" for s in SOURCES),
        sample="\n".join(f"> {line}  " for line in sample.strip().splitlines()),
    )
    packed.with_suffix(".md").write_text(card)


def validation_loss(request: StreamRequest, text: str, weights: dict[str, torch.Tensor], done: events.Done) -> float:
    """Return the loss of rounded weights on the validation part: epoch 0 of a training that starts from them."""
    start = Start(weights=weights, vocabulary=done.vocabulary)
    for event in train(request, text, start=start, threads=1):
        if isinstance(event, events.Metric):
            return event.validation_loss or 0
    raise AssertionError("no loss was measured")


def processor() -> str:
    """Return the name of this machine's processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


if __name__ == "__main__":
    main()
