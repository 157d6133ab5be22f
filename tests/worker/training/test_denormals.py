"""Threads that compute by torch's own operations flush denormals, which slow many processors down, to zero."""

import json

import torch

from tests.preloaded import output_of
from tests.worker.short_trainings import sample_text, stream
from worker.training.train import train


def halved() -> float:
    return float(torch.full((1,), 1.5e-38) * 0.5)


def test_every_thread_of_a_workers_child_flushes_them() -> None:
    assert json.loads(output_of("tests.worker.training.halving")) == [1.0, 1.0]


def test_a_training_flushes_them_wherever_it_runs() -> None:
    torch.set_flush_denormal(False)
    assert halved() > 0
    try:
        for event in train(stream(epochs=1, sample_chars=0), sample_text(1000), threads=1, fused=False):
            assert halved() == 0, event
    finally:
        torch.set_flush_denormal(False)
