"""What a character costs by how long its text is: taken in, read and encoded, and a training's first steps.

What: nanoseconds a character for texts of 100,000 to 100,000,000 characters, the given text over and over: taken in by
`Corpora.add`, as the web does it; read and encoded twice over its file, as a worker does it before the first step; and
STEPS steps of a training with fixed options.
Peer: the text of a million characters, in turns with the others. (A shorter one shows what each text costs whatever its
length: files made and synced.)
Bar: flat within 10 %.

    python -m bench.length [TEXT]
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.common import Turns, in_turns, report, text_argument, write_lengthened
from shared.requests.options import StreamRequest
from shared.text.text_stream import normalized_chunks
from shared.volume import Corpora
from worker.training.data import encode, survey
from worker.training.train import train

#: Characters, and how often in each round: what is short is done more often.
LENGTHS = {100_000: 20, 1_000_000: 10, 10_000_000: 2, 100_000_000: 1}
PEER, LONGEST = 1_000_000, 100_000_000
ROUNDS, STEPS = 3, 50
REQUEST = StreamRequest(corpus_id="cor", seed=1, hidden_size=64, batch_size=16, seq_length=100, validation_fraction=0)


def add(corpora: Corpora, sent: Path, ids: dict[int, str], chars: int) -> int:
    """Take a text in, again and again; its newest corpus stays. Return the characters."""
    for _ in range(LENGTHS[chars]):
        if chars in ids:
            corpora.delete(ids[chars])
        with sent.open("rb") as file:
            ids[chars] = corpora.add(file, name="text", max_bytes=1 << 30)[0].id
    return chars * LENGTHS[chars]


def read(corpora: Corpora, ids: dict[int, str], chars: int) -> int:
    """Read a text twice and make it integers, as `train` does, again and again. Return the characters."""
    for _ in range(LENGTHS[chars]):
        once, again = (normalized_chunks(corpora.parts(ids[chars]), lowercase=True, drop_bom=True) for _ in range(2))
        found = survey(once)
        encode(again, found.vocabulary, chars=found.chars)
    return chars * LENGTHS[chars]


def stepping(corpora: Corpora, ids: dict[int, str]) -> Turns:
    """Train on all texts, a step of each in turn."""
    trainings = {chars: train(REQUEST, partial(corpora.parts, name), threads=1) for chars, name in ids.items()}
    positions = REQUEST.batch_size * REQUEST.seq_length

    def step(chars: int) -> int:
        next(trainings[chars])
        return positions

    return in_turns(named(step), rounds=STEPS, warm_up=3)


def named(act: Callable[[int], int]) -> dict[str, Callable[[], int]]:
    """Return the act for each length."""
    return {f"{chars:,}": partial(act, chars) for chars in LENGTHS}


def main() -> None:
    """Measure all lengths in turns, one thing after the other."""
    text, _ = text_argument(__doc__ or "")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpora = Corpora(folder / "corpora")
        for chars in LENGTHS:
            write_lengthened(folder / str(chars), text, chars)
        ids: dict[int, str] = {}
        found = {
            "taken in": in_turns(named(lambda chars: add(corpora, folder / str(chars), ids, chars)), rounds=ROUNDS),
            "read twice and encoded": in_turns(named(lambda chars: read(corpora, ids, chars)), rounds=ROUNDS),
            "a training's steps": stepping(corpora, ids),
        }
    peer, longest = f"{PEER:,}", f"{LONGEST:,}"
    rows = [
        turns.row(
            f"{what}, {longest} characters", peer=peer, ours=longest, unit="ns", a_second=1e9, least_ratio=1 / 1.1
        )
        for what, turns in found.items()
    ]
    times = {
        what: {length: round(turns.median(length) * 1e9, 1) for length in turns.seconds}
        for what, turns in found.items()
    }
    report(bench="length", rows=rows, ns_per_character=times)


if __name__ == "__main__":
    main()
