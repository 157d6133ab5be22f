"""A worker's child halves a number just above the least normal one on both of OpenMP's threads, forth and back."""

import json

import torch

from worker.jobs.child_process import enter_child

if __name__ == "__main__":
    torch.set_num_threads(2)
    enter_child()
    given = torch.full((1 << 21,), 1.5e-38, requires_grad=True)
    halves = given * 0.5
    [gradients] = torch.autograd.grad(halves, given, torch.full_like(given, 1.5e-38))
    print(json.dumps([float((each == 0).float().mean()) for each in (halves, gradients)]))  # noqa: T201
