"""How well `stream` learns tinyshakespeare in a given time, or how long until a given loss.

What: a training with `max_seconds`, case kept, the last tenth held out; the loss is the training's own, over that
tenth, each character predicted once by a state that is carried through it; seconds are all that the training takes, its
validations included. nanoGPT's measure is shown next to it: windows of 256 characters, each from an empty state.
Peers: published figures (`--peer`): nanoGPT's with its own settings for a processor, 1.886 after 113 s on this kind of
machine, and with those for a GPU, 1.4697.
Bar: `--most`, of the loss; with `--mark`, of the seconds until that loss, `--within`.

    python -m bench.shakespeare TEXT --seconds 113 --peer 1.886 --most 1.53 [--options '{"hidden_size": 512}']
"""

import json
import time

import torch
from torch.nn import functional

from bench.common import Row, report, text_argument
from bench.overtake import as_learned, fitted
from shared.host import cores
from shared.requests.options import StreamRequest
from shared.requests.validation import validation_part
from worker.nn.kernel import load
from worker.nn.model import CharLSTM
from worker.training.events import Done, Metric
from worker.training.train import train

#: nanoGPT's block_size on this text.
WINDOW = 256


def windowed_loss(done: Done, request: StreamRequest, text: str) -> float:
    """Return the mean loss over the validation part's windows, one after another, each from a zero state."""
    model = CharLSTM(
        vocab_size=len(done.vocabulary),
        hidden_size=request.hidden_size,
        layers=request.layers,
        embedding_size=request.embedding_size,
    )
    model.load_state_dict(dict(done.weights))
    model.fuse(load(), bfloat16=False)
    model.eval()
    text = as_learned(text, lowercase=request.lowercase)
    codes = torch.tensor(done.vocabulary.encode(text[validation_part(request, len(text)).trained :]))
    windows = codes[: (len(codes) - 1) // WINDOW * WINDOW + 1].unfold(0, WINDOW + 1, WINDOW)  # (n, WINDOW + 1)
    total = 0.0
    with torch.no_grad():
        for part in torch.split(windows, 64):
            logits, _ = model(part[:, :-1])
            targets = part[:, 1:]
            total += float(functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum"))
    return total / (len(windows) * WINDOW)


def main() -> None:
    """Train once; show each validation as it comes."""
    text, given = text_argument(
        __doc__ or "", seconds=float, peer=float, most=float, mark=float, within=float, options=json.loads, threads=int
    )
    seconds, threads = given.seconds or 113.0, given.threads or cores()
    options = {"lowercase": False, "validation": "tail", "max_seconds": seconds} | (given.options or {})
    request = fitted(text, threads=threads, **options)
    rows: list[Row] = []
    curve: list[list[float]] = []
    began, loss, windowed = time.perf_counter(), None, None
    for event in train(request, text, threads=threads):
        if isinstance(event, Metric) and event.validation_loss is not None:
            curve.append([round(time.perf_counter() - began, 1), round(event.validation_loss, 4)])
            print(f"{curve[-1][0]:7.1f} s  {curve[-1][1]:.4f} nats", flush=True)
        if isinstance(event, Done):
            loss, windowed = event.losses.validation, windowed_loss(event, request, text)
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
    rows.append(Row(what=f"the same, windows of {WINDOW} from an empty state", unit="nats", ours=windowed))
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
