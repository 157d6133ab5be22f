"""Threads that compute by torch's own operations flush denormals, which slow many processors down, to zero."""

import json
import subprocess
import sys

import torch

from tests.worker.short_trainings import sample_text, stream
from worker.training.train import train

#: Halves a number just above the least normal one in both of OpenMP's threads, which start here, forward and backward.
_CODE = """
import json, torch
from worker.jobs.child_process import enter_child

torch.set_num_threads(2)
enter_child()
given = torch.full((1 << 21,), 1.5e-38, requires_grad=True)
halves = given * 0.5
[gradients] = torch.autograd.grad(halves, given, torch.full_like(given, 1.5e-38))
print(json.dumps([float((each == 0).float().mean()) for each in (halves, gradients)]))
"""


def halved() -> float:
    return float(torch.full((1,), 1.5e-38) * 0.5)


def test_every_thread_of_a_workers_child_flushes_them() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [1.0, 1.0]


def test_a_training_flushes_them_wherever_it_runs() -> None:
    torch.set_flush_denormal(False)
    assert halved() > 0
    try:
        for event in train(stream(epochs=1, sample_chars=0), sample_text(1000), threads=1, fused=False):
            assert halved() == 0, event
    finally:
        torch.set_flush_denormal(False)
