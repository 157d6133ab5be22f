"""Where `stream`'s defaults, lower-casing, end on the seed document's own measure, and how the loss falls on the way.

What: seconds that the training counts (the state's computing seconds), and the loss on the document's measure: after
each epoch over every 20th window, in the end over all of them, which take a minute.
Peer: the document's 20th epoch, 1.865 nats on its book; its seconds are those of its batches, timed in the same run
before and after the training (tests/worker/reference.py).
Bar: below the document's loss. `overtake` times when it is passed.

    python -m bench.stream_book [TEXT] [--seed 1] [--threads 2]
"""

from bench.common import Row, report, text_argument
from bench.document import MARK, pace
from bench.overtake import EVERY, Judge, as_learned, fitted
from bench.peer import PeerProcess
from shared.host import cores
from worker.training.events import Done, Metric
from worker.training.train import train


def main() -> None:
    """Train once with the defaults, measuring after each epoch."""
    text, given = text_argument(__doc__ or "", seed=int, threads=int)
    request = fitted(text, seed=given.seed or 1, lowercase=True, validation="tail")
    judge = Judge(request, as_learned(text, lowercase=request.lowercase))
    peer = PeerProcess()
    paces = [peer.call(pace, text, threads=cores())]
    curve: list[list[float]] = []
    end = 0.0
    for event in train(request, text, threads=given.threads):
        if isinstance(event, Metric) and event.validation_loss is not None:
            state = event.state()
            loss = judge.loss(event.step, state.part("model"), every=EVERY)
            curve.append([round(float(state.facts["seconds"]), 1), round(loss, 4)])
            print(f"{curve[-1][0]:6.1f} s  {loss:.4f} nats", flush=True)
        if isinstance(event, Done):
            end = judge.loss(event.step, dict(event.weights), every=1)
            for sample in event.samples[-2:]:
                print(repr(sample.text))
    paces.append(peer.call(pace, text, threads=cores()))
    document_s = sum(one.whole(len(text)) for one in paces) / len(paces)
    seconds = curve[-1][0]
    rows = [
        Row(what="loss at the end, all windows", unit="nats", ours=end, peer=MARK, ratio=MARK / end, most=MARK),
        Row(what="seconds to the end", unit="s", ours=seconds, peer=document_s, ratio=document_s / seconds),
    ]
    report(
        bench="stream_book",
        rows=rows,
        curve=curve,
        options=request.model_dump(exclude={"corpus_id", "name", "metadata"}),
    )


if __name__ == "__main__":
    main()
