"""Nanoseconds a character by how long a text is: taking it in, reading and encoding it, and a training's first steps.

Corpora of growing length are made of the given text over and over. Each is taken in by `Corpora.add`, as the web does
it, read and encoded twice over its file, as a worker does it before the first step, and trained on for STEPS steps of
fixed options, all lengths in turns. Medians count; short texts are taken in more often, since others disturb them
more. Processor time is told beside the clock's, which other processes lengthen.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.common import report, text_argument, write_lengthened
from shared.pieces import learnt
from shared.requests import StreamRequest
from shared.volume import Corpora
from worker.data import encode, survey
from worker.train import train

#: Characters, and how often.
ROUNDS = {100_000: 25, 1_000_000: 9, 10_000_000: 3, 100_000_000: 2}
STEPS, WARM_UP = 50, 3
REQUEST = StreamRequest(corpus_id="cor", seed=1, hidden_size=64, batch_size=16, seq_length=100, validation_fraction=0)

#: The clock's and the processor's nanoseconds a character.
Taken = tuple[float, float]


def timed(act: Callable[[], Any], chars: int) -> Taken:
    """Return what an act takes for each of so many characters."""
    began, worked = time.perf_counter_ns(), time.process_time_ns()
    act()
    return (time.perf_counter_ns() - began) / chars, (time.process_time_ns() - worked) / chars


def medians(times: list[Taken]) -> tuple[float, ...]:
    """Return the median clock time and the median processor time."""
    return tuple(round(statistics.median(kind), 1) for kind in zip(*times, strict=True))


def adding(corpora: Corpora, sent: Path, chars: int, rounds: int) -> tuple[str, list[Taken]]:
    """Take a text in, again and again; return its corpus, which stays, and the times."""
    ids: list[str] = []

    def add() -> None:
        with sent.open("rb") as file:
            ids.append(corpora.add(file, name="text", max_bytes=1 << 30)[0].id)

    times = []
    for _ in range(rounds):
        if ids:
            corpora.delete(ids[-1])
        times.append(timed(add, chars))
    return ids[-1], times


def encoding(corpora: Corpora, corpus_id: str) -> None:
    """Read a text twice and make it integers, as `train` does."""
    once, again = (learnt(corpora.parts(corpus_id), lowercase=True, drop_bom=True) for _ in range(2))
    found = survey(once)
    encode(again, found.vocabulary, chars=found.chars)


def stepping(corpora: Corpora, ids: dict[int, str]) -> dict[int, list[Taken]]:
    """Train on all texts, a step of each in turn."""
    trainings = {
        chars: train(REQUEST, partial(corpora.parts, corpus_id), threads=1) for chars, corpus_id in ids.items()
    }
    positions = REQUEST.batch_size * REQUEST.seq_length
    times: dict[int, list[Taken]] = {chars: [] for chars in ids}
    for _ in range(WARM_UP + STEPS):
        for chars, training in trainings.items():
            times[chars].append(timed(partial(next, training), positions))
    return {chars: taken[WARM_UP:] for chars, taken in times.items()}


def main() -> None:
    """Measure one length after the other, then the steps."""
    text, _ = text_argument(__doc__ or "")
    figures: dict[str, dict[str, tuple[float, ...]]] = {"add": {}, "encode": {}, "step": {}}
    with tempfile.TemporaryDirectory() as name:
        corpora = Corpora(Path(name) / "corpora")
        ids: dict[int, str] = {}
        for chars, rounds in ROUNDS.items():
            write_lengthened(Path(name) / "text", text, chars)
            ids[chars], times = adding(corpora, Path(name) / "text", chars, rounds)
            figures["add"][f"{chars:,}"] = medians(times)
            times = [timed(partial(encoding, corpora, ids[chars]), chars) for _ in range(rounds)]
            figures["encode"][f"{chars:,}"] = medians(times)
        for chars, times in stepping(corpora, ids).items():
            figures["step"][f"{chars:,}"] = medians(times)
    for part, by_length in figures.items():
        print(part, by_length)
    report(bench="length", ns_per_character=figures, rounds=ROUNDS, steps=STEPS)


if __name__ == "__main__":
    main()
