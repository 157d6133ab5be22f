"""How well `stream` learns tinyshakespeare in a given time, or how long until a given loss.

What: a training with `max_seconds`, case kept, the last tenth held out; the loss is the training's own, over that
tenth, each character predicted once; seconds are all that the training takes, its validations included.
Peers: published figures (`--peer`): nanoGPT's with its own settings for a processor, 1.886 after 113 s on this kind of
machine, and with those for a GPU, 1.4697. Threads sleep while they wait, as a worker's do.
Bar: `--most`, of the loss; with `--mark`, of the seconds until that loss, `--within`.

    python -m bench.shakespeare TEXT --seconds 113 --peer 1.886 --most 1.53 [--options '{"hidden_size": 512}']
"""

import json
import time

import worker  # noqa: F401  # before torch: it says how threads wait
from bench.common import Row, report, text_argument
from bench.overtake import fitted
from shared.host import cores
from worker.training.events import Done, Metric
from worker.training.train import train


def main() -> None:
    """Train once; show each validation as it comes."""
    text, given = text_argument(
        __doc__ or "", seconds=float, peer=float, most=float, mark=float, within=float, options=json.loads, threads=int
    )
    seconds, threads = given.seconds or 113.0, given.threads or cores()
    options = {"lowercase": False, "validation": "tail", "max_seconds": seconds} | (given.options or {})
    request = fitted(text, **options)
    rows: list[Row] = []
    curve: list[list[float]] = []
    began, loss = time.perf_counter(), None
    for event in train(request, text, threads=threads):
        if isinstance(event, Metric) and event.validation_loss is not None:
            curve.append([round(time.perf_counter() - began, 1), round(event.validation_loss, 4)])
            print(f"{curve[-1][0]:7.1f} s  {curve[-1][1]:.4f} nats", flush=True)
        if isinstance(event, Done):
            loss = event.losses.validation
    if given.mark:
        reached = next((at for at, found in curve if found <= given.mark), None)
        rows.append(Row(what=f"to {given.mark:g} nats", unit="s", ours=reached, most=given.within))
    rows.append(
        Row(
            what=f"loss after {seconds:g} s",
            unit="nats",
            ours=loss,
            peer=given.peer,
            ratio=given.peer / loss if given.peer and loss else None,
            most=given.most,
        )
    )
    report(
        bench="shakespeare",
        rows=rows,
        seconds=seconds,
        threads=threads,
        curve=curve,
        options=request.model_dump(exclude={"corpus_id", "name", "metadata"}),
    )


if __name__ == "__main__":
    main()
