"""Dropout in a training step, against overfitting.

Units are dropped for a whole sequence rather than at each position (Gal and Ghahramani, 2016), recurrent weights for a
whole step (Merity, Keskar and Socher, 2017). What is kept is scaled up.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from worker.nn.kernel import Kernel

#: The compiled dropout works on multiples of this many numbers.
_VECTOR = 16


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """Shares that are dropped: of the units of each layer, and of its recurrent weights."""

    units: float = 0.0
    weights: float = 0.0

    def scaled(self, factor: float) -> "Dropout":
        """Return both shares times a factor."""
        return Dropout(units=self.units * factor, weights=self.weights * factor)

    def variational_dropout(self, outputs: Tensor) -> Tensor:
        """Return a layer's outputs, (T, B, H), with some units of each sequence dropped."""
        kept = self.kept_units(*outputs.shape[1:])
        return outputs if kept is None else outputs * kept.to(outputs.dtype)

    def kept_units(self, rows: int, units: int) -> Tensor | None:
        """Return what the units of each batch row are multiplied with, (B, H) float32; None if none are dropped."""
        return (torch.rand(rows, units) >= self.units) / (1 - self.units) if self.units else None

    def drop_connect(self, weights: Tensor, kernel: Kernel | None = None) -> Tensor:
        """Return weights with some of them dropped; the kernel does it twenty times faster and drops others."""
        if not self.weights:
            return weights
        if kernel is None or weights.numel() % _VECTOR:
            return functional.dropout(weights, self.weights)
        found: Tensor = _Compiled.apply(weights, self.weights, int(torch.randint(1 << 32, ())), kernel)  # type: ignore[no-untyped-call]
        return found


#: Nothing is dropped.
NONE = Dropout()


class _Compiled(torch.autograd.Function):
    """Dropout whose mask is computed again for the gradients instead of being kept."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, share: float, seed: int, kernel: Kernel) -> Tensor:
        def drop(given: Tensor) -> Tensor:
            return kernel.dropout(given.contiguous(), share=share, seed=seed)

        ctx.drop = drop
        return drop(numbers)

    @staticmethod
    def backward(ctx: Any, grads: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.drop(grads), None, None, None
