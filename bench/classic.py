"""`classic`, in each precision, against the seed document's loop: seconds of an epoch, and the losses.

What: whole short trainings on the first windows of the text, evaluation included, with the document's options.
Peer: the document's loop (tests/worker/reference.py), from the same weights, in the same order of windows, with the
same dropout masks, on as many threads; all take turns.
Bar: 1.3 times as fast in float32, each epoch's loss the document's to 1e-4; 2 times in bfloat16, 2.5 times with
`precision` auto, eight bits, the last loss within 1 %. A loss that is further off makes the bench fail.

    python -m bench.classic [TEXT] [--batches 10] [--epochs 2] [--rounds 5]
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from bench.common import Row, in_turns, report, text_argument
from bench.document import BATCH, WINDOW, document_epochs
from bench.peer import PeerProcess
from shared.host import cores
from shared.requests.options import ClassicRequest
from worker.training.events import Done
from worker.training.train import train

SEED = 1
#: Wanted: how many times faster, and how far the losses may be off.
WANTED = {"float32": (1.3, 1e-4), "bfloat16": (2.0, 1e-2), "auto": (2.5, 1e-2)}


class Ours:
    """One precision's trainings, all alike, and what the last of them ended with."""

    def __init__(self, text: str, request: ClassicRequest) -> None:
        self._text, self._request = text, request
        self.sums: list[float] = []
        self.weights: dict[str, Tensor] = {}

    def train(self) -> float:
        """Train once, and return how many epochs."""
        *_, done = train(self._request, self._text, threads=cores())
        assert isinstance(done, Done)
        self.sums = [metric.evaluation_sum or 0.0 for metric in done.metrics]
        self.weights = done.state().part("model")
        return self._request.epochs


def main() -> None:
    """Take turns, then compare the losses of the last round: every round has the same."""
    text, given = text_argument(__doc__ or "", batches=int, epochs=int, rounds=int)
    batches, epochs = given.batches or 10, given.epochs or 2
    text = text[: WINDOW + BATCH * batches]
    asked = {"corpus_id": "cor", "recipe": "classic", "epochs": epochs, "seed": SEED, "sample_chars": 0}
    requests = {p: ClassicRequest.model_validate(asked | {"precision": p}) for p in WANTED}
    first = next(train(requests["float32"], text)).state().part("model")
    peer = PeerProcess()
    printed: list[float] = []
    their_weights: dict[str, Tensor] = {}

    def document() -> float:
        printed[:], weights = peer.call(document_epochs, text, requests["float32"], first, threads=cores())
        their_weights.update(weights)
        return epochs

    ours = {precision: Ours(text, request) for precision, request in requests.items()}
    acts: dict[str, Callable[[], float]] = {"document": document, **{name: one.train for name, one in ours.items()}}
    turns = in_turns(acts, rounds=given.rounds or 5)
    rows: list[Row] = []
    for precision, (least_ratio, most) in WANTED.items():
        off = [abs(a - b) / b for a, b in zip(ours[precision].sums, printed, strict=True)]
        rows += [
            turns.row(
                f"an epoch of {batches} batches, {precision}", peer="document", ours=precision, least_ratio=least_ratio
            ),
            Row(
                what=f"{precision}: {'worst' if precision == 'float32' else 'last'} loss off by",
                unit="share",
                ours=max(off) if precision == "float32" else off[-1],
                most=most,
                must=True,
            ),
        ]
    float32 = ours["float32"].weights
    last: dict[str, Any] = {
        "document_sums": printed,
        **{f"{precision}_sums": one.sums for precision, one in ours.items()},
        "worst_weight": max(float((float32[name] - value).abs().max()) for name, value in their_weights.items()),
        "bitwise": all(torch.equal(float32[name], value) for name, value in their_weights.items()),
    }
    report(bench="classic", rows=rows, characters=len(text), epochs=epochs, seconds=turns.seconds, **last)


if __name__ == "__main__":
    main()
