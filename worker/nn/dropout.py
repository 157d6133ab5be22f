"""Dropout in a training step, against overfitting.

Units are dropped for a whole sequence rather than at each position (Gal and Ghahramani, 2016), recurrent weights for a
whole step (Merity, Keskar and Socher, 2017). What is kept is scaled up.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from worker.nn.layer import Dropped


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
        return torch.rand(rows, units).ge_(self.units).div_(1 - self.units) if self.units else None

    def drop_connect(self, weights: Tensor) -> Tensor:
        """Return weights with some of them dropped."""
        return functional.dropout(weights, self.weights) if self.weights else weights

    def dropped_weights(self) -> Dropped | None:
        """Draw which weights the compiled layer drops, twenty times faster; None if it drops none."""
        return Dropped(self.weights, int(torch.randint(1 << 32, ()))) if self.weights else None


#: Nothing is dropped.
NONE = Dropout()
