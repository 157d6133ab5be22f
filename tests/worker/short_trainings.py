"""What the tests of training share: a small text, small requests, and running one to its end."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import shared
from shared.jobs.rows import MetricRow
from shared.requests.options import ClassicRequest, StreamRequest
from worker.nn.optimizer import Optimizer
from worker.training.events import Done, TrainEvent, bare
from worker.training.train import train

SAMPLE = Path(shared.__file__).with_name("sample.txt")
#: The seed document's book, where someone has it.
BOOK = os.environ.get("CHARLOOM_BOOK")
_SHORT: dict[str, Any] = {"corpus_id": "cor", "epochs": 2, "seed": 7, "sample_chars": 40}


def sample_text(length: int) -> str:
    return SAMPLE.read_text(encoding="utf-8")[:length]


def stream(**options: Any) -> StreamRequest:
    small = {"hidden_size": 24, "embedding_size": 8, "seq_length": 20, "batch_size": 4, "precision": "float32"}
    return StreamRequest.model_validate(_SHORT | small | options)


def classic(**options: Any) -> ClassicRequest:
    small = {"recipe": "classic", "hidden_size": 16, "seq_length": 12, "batch_size": 64}
    return ClassicRequest.model_validate(_SHORT | small | options)


def run(
    request: StreamRequest | ClassicRequest, text: str | Callable[[], Iterable[str]], **given: Any
) -> tuple[list[TrainEvent], Done]:
    """Train to the end on one thread; return all events and the last one."""
    events = list(train(request, text, **{"threads": 1} | given))
    done = events[-1]
    assert isinstance(done, Done)
    return events, done


def record_steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Return a list to which each step of the optimizer adds its learning rate and the output layer's factor."""
    made: list[tuple[float, float]] = []
    step = Optimizer.step

    def recorded(self: Optimizer, learning_rate: float, *, output_factor: float, max_norm: float) -> None:
        made.append((learning_rate, output_factor))
        step(self, learning_rate, output_factor=output_factor, max_norm=max_norm)

    monkeypatch.setattr(Optimizer, "step", recorded)
    return made


def rows(metrics: Iterable[MetricRow]) -> list[MetricRow]:
    """Return the rows alone, without the seconds, which no two runs share."""
    found = [bare(metric) for metric in metrics]
    return [replace(metric, seconds=0.0) for metric in found if isinstance(metric, MetricRow)]


def assert_same(one: dict[str, Tensor] | Any, other: dict[str, Tensor] | Any) -> None:
    """Assert that two sets of weights agree bit for bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def assert_resumed_exactly(request: StreamRequest | ClassicRequest, text: str, *, at: float) -> None:
    """Assert that a training that is resumed after this share of its steps ends as an uninterrupted one does."""
    _, whole = run(request, text)
    state = None
    for event in train(request, text, threads=1):
        if state is None and not isinstance(event, Done) and event.step >= at * whole.step:
            state = event.state()
    _, resumed = run(request, text, state=state)
    assert_same(whole.weights, resumed.weights)
    assert rows(whole.metrics) == rows(resumed.metrics)
