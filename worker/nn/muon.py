"""Muon's step of the square matrices of an LSTM. Knows no schedule.

Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024) steps by the orthogonal matrix
nearest to the averaged gradient: equally far in every direction of the gradient, not only in the few strong ones. Each
gate's H x H part is a matrix of its own. These weights also decay (Liu et al., "Muon is scalable for LLM training",
2025), which keeps their singular values below 1 / DECAY.
"""

import ctypes
from itertools import chain

import torch
from torch import Tensor

from worker.nn.kernel import UNITS, Kernel
from worker.nn.kernel.structures import ClipArguments, Kind, MuonArguments, Task

#: Muon's step size as a multiple of Adam's, the weight decay of a step of size 1, and the momentum.
TIMES_ADAM, DECAY, MOMENTUM = 12.0, 0.1, 0.95
#: Coefficients of each round of the Newton-Schulz iteration: those that bring singular values of 0.01 to 1, evenly
#: spread by their logarithms, nearest to 1, least squares. From 0.04 on they get to 0.74..1.41, smaller ones grow up to
#: 20 times (ADR 41).
COEFFICIENTS = ((4.6996, -13.0490, 9.5186), (4.1866, -6.8549, 3.4189))
_COEFFICIENTS = (ctypes.c_float * (3 * len(COEFFICIENTS)))(*chain(*COEFFICIENTS))
#: How far the bound of the singular values is put above itself, since products are rounded.
_MARGIN = 1.03
_TOGETHER = 512


def step_by_torch(weight: Tensor, grad: Tensor, average: Tensor, *, size: float, dtype: torch.dtype) -> None:
    """Change a weight of four gates, (4 H, H), and the average of its gradients; the gradient is overwritten.

    Args:
        weight: what is stepped.
        grad: its gradient.
        average: of the gradients before.
        size: of the step.
        dtype: of the products while a gradient is made orthogonal.
    """
    units = weight.shape[1]
    average.lerp_(grad, 1 - MOMENTUM)
    ahead = grad.lerp_(average, MOMENTUM)  # Nesterov momentum
    weight.mul_(1 - size * DECAY)
    # Up to some width torch computes the four gates' products in one call; wider ones are faster one by one.
    together = 4 if units <= _TOGETHER else 1
    parts, changes = (torch.split(one.view(4, units, units), together) for one in (weight, ahead))
    for part, change in zip(parts, changes, strict=True):
        part.sub_(orthogonal(change, dtype), alpha=size)


def muon_task(
    kernel: Kernel, weight: Tensor, grad: Tensor, average: Tensor, *, size: float, clip: ClipArguments, kind: Kind
) -> Task:
    """Return what changes a weight of some matrices, (n H, H), and the average of its gradients, in the compiled layer.

    A matrix's result doesn't depend on the others or the threads.

    Args:
        kernel: computes it.
        weight: what is stepped. H must be a multiple of the kernel's `UNITS`.
        grad: its gradient.
        average: of the gradients before.
        size: of the step.
        clip: what the gradient is multiplied by first.
        kind: of the products; not BFLOAT16_TILES.
    """
    units = weight.shape[1]
    matrices = len(weight) // units
    threads = max(1, min(kernel.threads, matrices))
    arguments = MuonArguments(
        paired=kind is not Kind.FLOAT32,
        matrices=matrices,
        units=units,
        rounds=len(COEFFICIENTS),
        coefficients=ctypes.addressof(_COEFFICIENTS),
        momentum=MOMENTUM,
        kept=1 - size * DECAY,
        size=size,
        clip=clip,
        grads=grad.data_ptr(),
        averages=average.data_ptr(),
        weights=weight.data_ptr(),
        scratch=kernel.scratch("muon", threads, 3 if kind is Kind.FLOAT32 else 4, units, units).data_ptr(),
    )
    return Task("muon", arguments, threads)


def orthogonal(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """Return about the nearest orthogonal matrices, (n, H, H) float32, by products in `dtype`; zeros for zeros.

    The given ones are overwritten.
    """
    x = matrices.div_(matrices.norm(dim=(1, 2), keepdim=True) + 1e-30).to(dtype)
    for number, (a, b, c) in enumerate(COEFFICIENTS):
        gram = torch.bmm(x, x.mT)
        square = torch.bmm(gram, gram)
        if number == 0:  # see muon.c
            bound = (square.norm(dim=(1, 2), keepdim=True, dtype=torch.float32) * _MARGIN).clamp(min=1e-12) ** 0.25
            x, gram, square = (x / bound).to(dtype), gram.div_(bound**2), square.div_(bound**4)
        x = torch.baddbmm(x, gram.mul_(b).add_(square, alpha=c), x, beta=a)
    return x.float()


def kernel_kind(units: int, dtype: torch.dtype, kernel: Kernel) -> Kind | None:
    """Return the kind of the kernel's products, or None if torch multiplies: by AMX it is faster."""
    if units % UNITS:
        return None
    kind = Kind.FLOAT32 if dtype is torch.float32 else kernel.bfloat16
    return None if kind is Kind.BFLOAT16_TILES else kind
