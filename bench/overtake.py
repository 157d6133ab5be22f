"""When `stream`'s defaults overtake the seed document: seconds until the loss that its 20th epoch ends with.

What: seconds from the text, lower-cased as the document's is, to the step at which the loss on the document's own
measure, over all windows, has come to 1.865. The step is found first, by a training that is looked at often; then
trainings to just that step are timed.
Peer: the document's loop (tests/worker/reference.py): a training batch's and an evaluation batch's seconds, times the
batches of its 20 epochs. They are timed in turns with ours.
Bar: 500 times sooner.

    python -m bench.overtake [TEXT] [--seed 1] [--mark 1.865] [--rounds 3]
"""

from bisect import bisect_left

import torch
from torch import Tensor

from bench.common import in_turns, report, text_argument
from bench.document import MARK, WINDOW, Pace, document_measure, pace
from bench.peer import PeerProcess
from shared.host import cores
from shared.requests.fit import fit
from shared.requests.options import StreamRequest
from shared.text.vocabulary import BOM, Vocabulary, normalise
from worker.nn.kernel import load
from worker.nn.model import CharLSTM
from worker.training.data import Windows, encode
from worker.training.measure import measure
from worker.training.train import train

#: Steps between two models that are kept, and models between two that are looked at on the way.
KEEP, LOOK = 4, 15
#: Every `EVERY`-th window is evaluated before all are. The loss over all is higher by up to about `LESS`: the first
#: model evaluated over all windows is that far below the mark on the few. The training continues for `BEYOND`.
EVERY, LESS, BEYOND = 20, 0.03, 0.06
WANTED = 500


class Judge:
    """The document's measure of a request's model over a text, with what it has once found."""

    def __init__(self, request: StreamRequest, text: str) -> None:
        vocabulary = Vocabulary.of(text)
        codes = encode([text], vocabulary, chars=len(text))
        self._windows = Windows(codes, seq_length=WINDOW, batch_size=EVERY * 128, seed=0)
        self._model = CharLSTM(
            vocab_size=len(vocabulary),
            hidden_size=request.hidden_size,
            layers=request.layers,
            embedding_size=request.embedding_size,
        )
        # All windows take nn.LSTM a minute on two idle cores, and many where other processes keep its threads waiting.
        self._model.fuse(load(), bfloat16=False)
        self._found: dict[tuple[int, int], float] = {}

    def loss(self, step: int, weights: dict[str, Tensor], *, every: int) -> float:
        """Return the loss over every `every`-th window."""
        torch.set_num_threads(cores())  # a training takes its own again
        if (step, every) not in self._found:
            self._found[step, every] = document_measure(self._model, weights, self._windows, every)
        return self._found[step, every]


def as_learned(text: str, *, lowercase: bool) -> str:
    """Return what `stream` reads of a text."""
    return normalise(text.removeprefix(BOM), lowercase=lowercase)


def fitted(text: str, *, threads: int | None = None, **options: object) -> StreamRequest:
    """Return `stream`'s defaults, fitted to a text as the web fits them; with a time limit, to these threads, too."""
    request = StreamRequest.model_validate({"corpus_id": "cor", "seed": 1, **options})
    chars = as_learned(text, lowercase=request.lowercase)
    speeds = [] if request.max_seconds is None else [measure(threads or cores())]
    return fit(request, chars=len(chars), vocab_size=len(set(chars)), memory_limit_bytes=None, speeds=speeds)


def find_step(request: StreamRequest, text: str, mark: float) -> tuple[int, float]:
    """Return the step at which the loss over all windows has come to the mark, and that loss."""
    judge = Judge(request, as_learned(text, lowercase=request.lowercase))
    kept: list[tuple[int, dict[str, Tensor]]] = []
    for event in train(request, text, threads=1):
        if event.step >= (kept[-1][0] if kept else 0) + KEEP:
            kept.append((event.step, event.state().part("model")))
            if len(kept) % LOOK == 0 and judge.loss(*kept[-1], every=EVERY) <= mark - BEYOND:
                break
    else:
        raise SystemExit(f"this training never comes {BEYOND:g} below {mark:g} nats on every {EVERY}th window")
    less = LESS
    while True:
        at = bisect_left(kept, less - mark, hi=len(kept) - 1, key=lambda one: -judge.loss(*one, every=EVERY))
        whole = judge.loss(*kept[at], every=1)
        print(f"step {kept[at][0]}: {whole:.4f} nats over all windows", flush=True)
        if whole <= mark:
            return kept[at][0], whole
        if at == len(kept) - 1:
            raise SystemExit(f"the last model that was kept reaches {whole:.4f} nats, above {mark:g}")
        # What the few have less than all is the same for neighbouring models.
        less = max(whole - judge.loss(*kept[at], every=EVERY), less + 0.002)


def main() -> None:
    """Find the step, then take the times."""
    text, given = text_argument(__doc__ or "", seed=int, mark=float, rounds=int)
    mark, request = given.mark or MARK, fitted(text, seed=given.seed or 1, lowercase=True, validation="tail")
    step, loss = find_step(request, text, mark)
    paces: list[Pace] = []
    peer = PeerProcess()

    def document() -> None:
        paces.append(peer.call(pace, text, threads=cores()))

    def ours() -> None:
        for event in train(request, text):
            if event.step >= step:
                break

    turns = in_turns({"document": document, "ours": ours}, rounds=given.rounds or 3)
    turns.seconds["document"][:] = [one.whole(len(text)) for one in paces[-len(turns.seconds["document"]) :]]
    rows = [turns.row(f"to {mark:g} nats", peer="document", ours="ours", least_ratio=WANTED)]
    report(
        bench="overtake",
        rows=rows,
        step=step,
        loss=loss,
        seconds=turns.seconds,
        document_training_batch_s=[round(one.training, 4) for one in paces],
        document_evaluation_batch_s=[round(one.evaluation, 4) for one in paces],
    )


if __name__ == "__main__":
    main()
