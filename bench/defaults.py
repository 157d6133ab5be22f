"""How good the defaults are that `stream` chooses by the text and the time: against three fixed settings.

What: trainings on one thread with `max_seconds`, several texts (case kept), several budgets; each is judged by its best
validation loss, over the text's last tenth. The clock is the thread's processor time, so that neighbours count little.
Peers: 128, 256 and 512 units with a dropout for each, no dropped weights, twelve epochs as without a time limit, and
all else as left out.
Bar: a lower mean over texts and budgets than each of them.

    python -m bench.defaults TEXT [TEXT ...] [--seconds 20 60 180] [--peers 128 256 512]
"""

import argparse
import statistics
import time
from collections.abc import Mapping

from bench.common import Row, report
from bench.overtake import fitted
from bench.suite import existing_file
from shared.text.vocabulary import normalise
from worker.training.events import Done
from worker.training.train import train

#: Dropout of the fixed settings by their width.
FIXED: Mapping[int, float] = {128: 0.1, 256: 0.2, 512: 0.3}


def loss_of(text: str, seconds: float, options: Mapping[str, float]) -> float:
    """Train for so long and return the best validation loss."""
    request = fitted(
        text, threads=1, lowercase=False, validation="tail", max_seconds=seconds, sample_chars=0, **options
    )
    for event in train(request, text, threads=1, clock=time.thread_time):
        if isinstance(event, Done) and event.losses.validation is not None:
            print(
                f"  {request.hidden_size} units, {request.batch_size} rows of {request.seq_length}, dropout "
                f"{request.dropout} and {request.weight_dropout}: {event.losses.validation:.4f} in epoch "
                f"{event.losses.best_epoch}, {event.step} steps, {event.metrics[-1].seconds:.0f} s",
                flush=True,
            )
            return event.losses.validation
    raise AssertionError("it ended without a loss")


def main() -> None:
    """Train all; show each as it ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=existing_file, nargs="+", metavar="TEXT", help="UTF-8 texts")
    parser.add_argument("--seconds", type=float, nargs="+", default=[20.0, 60.0, 180.0])
    parser.add_argument("--peers", type=int, nargs="*", choices=list(FIXED), default=list(FIXED))
    given = parser.parse_args()
    settings: dict[str, Mapping[str, float]] = {"chosen": {}}
    for width in given.peers:
        settings[str(width)] = {"hidden_size": width, "dropout": FIXED[width], "weight_dropout": 0.0, "epochs": 12}
    losses: dict[str, list[float]] = {name: [] for name in settings}
    for path in given.texts:
        text = normalise(path.read_text(encoding="utf-8"), lowercase=False)
        for seconds in given.seconds:
            print(f"{path.name}, {seconds:g} s", flush=True)
            for name, options in settings.items():
                losses[name].append(loss_of(text, seconds, options))
    means = {name: statistics.mean(found) for name, found in losses.items()}
    rows = [
        Row(
            what=f"mean against {name} units",
            unit="nats",
            ours=means["chosen"],
            peer=means[name],
            ratio=means[name] / means["chosen"],
            least_ratio=1.0,
        )
        for name in settings
        if name != "chosen"
    ]
    report(
        bench="defaults",
        rows=rows,
        texts=[path.name for path in given.texts],
        seconds=given.seconds,
        losses={name: [round(loss, 4) for loss in found] for name, found in losses.items()},
    )


if __name__ == "__main__":
    main()
