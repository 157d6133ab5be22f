"""How soon `stream`'s defaults reach 1.6 nats on the seed document's own measure, by which its recipe is judged.

The measure: mean loss of the character after a window of 100 from a zero state, over all windows of the lower-cased
text. Only training counts as time (the state's computing seconds); the measure is taken between the steps. All windows
take about a minute, so the curve is over every 20th window; the end, over all of them.
"""

import torch
from torch.nn import functional

from bench.common import report, text_argument
from shared.fit import fit
from shared.requests import StreamRequest
from shared.text import BOM, Vocabulary
from worker.data import Windows, encode
from worker.model import CharLSTM
from worker.train import train
from worker.trainevents import Done, Metric

WINDOW, TARGET, EVERY = 100, 1.6, 20


def document_measure(model: CharLSTM, windows: Windows, every: int) -> float:
    """Return the mean loss over every so manieth window, nats per character."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for batch in range(windows.batches):
            inputs, targets = (part[::every] for part in windows.evaluation(batch))
            total += float(functional.cross_entropy(model.last(inputs), targets, reduction="sum"))
            count += len(targets)
    return total / count


def main() -> None:
    """Train once with the defaults, measuring after each epoch."""
    text, given = text_argument(__doc__ or "", seed=int, threads=int)
    learnt = text.removeprefix(BOM).lower()
    vocabulary = Vocabulary.of(learnt)
    request = fit(
        StreamRequest.model_validate({"corpus_id": "cor", "seed": given.seed or 1, "recipe": "stream"}),
        chars=len(learnt), vocab_size=len(vocabulary), memory_limit_bytes=None,
    )  # fmt: skip
    windows = Windows(encode([learnt], vocabulary, chars=len(learnt)), seq_length=WINDOW, batch_size=20 * 128, seed=0)
    model = CharLSTM(vocab_size=len(vocabulary), hidden_size=request.hidden_size, layers=request.layers,
                     embedding_size=request.embedding_size)  # fmt: skip
    curve, reached, final = [], None, 0.0
    for event in train(request, text, threads=given.threads):
        if isinstance(event, Done) or (isinstance(event, Metric) and event.validation_loss is not None):
            state = event.state()
            model.load_state_dict(dict(event.weights) if isinstance(event, Done) else state.part("model"))
            loss, seconds = document_measure(model, windows, EVERY), float(state.facts["seconds"])
            curve.append([round(seconds, 1), round(loss, 4)])
            print(f"{seconds:6.1f} s  {loss:.4f} nats")
            if reached is None and loss <= TARGET:
                reached = seconds
            if isinstance(event, Done):
                final = document_measure(model, windows, 1)
                for sample in event.samples[-2:]:
                    print(repr(sample.text))
    report(bench="stream_book", options=request.model_dump(exclude={"corpus_id", "name", "metadata"}),
           seconds_to_target=reached, target=TARGET, curve=curve, end_over_all_windows=final)  # fmt: skip


if __name__ == "__main__":
    main()
