"""The loss of the linear layer onto the vocabulary, with its gradients, computed by the compiled kernel in one pass."""

import ctypes
from typing import Any

import torch
from torch import Tensor, nn

from worker.nn.kernel import Kernel
from worker.nn.kernel.structures import Kind, Losses, OutputArguments, Task, place

#: Rows that output.c computes at once.
_CHUNK = 96


class Output:
    """The linear layer's loss and all its gradients, which are rounded by the number of threads.

    Args:
        kernel: computes them.
        h: (T, B, H) float32 or, for products in it, bfloat16. H must be a multiple of the kernel's `UNITS`.
        linear: onto V characters.
        targets: (B, T) int64, each below V.
        kept: (B, H) float32, what the units of each batch row are multiplied with first.
    """

    def __init__(self, kernel: Kernel, h: Tensor, linear: nn.Linear, targets: Tensor, kept: Tensor | None) -> None:
        threads = kernel.threads
        (positions, batch, units), vocabulary = h.shape, len(linear.weight)
        columns = -(-vocabulary // 16) * 16
        room = _CHUNK * (units + 16 + 2 * (columns + 16)) + columns * (2 * units + 1)
        self._rows, self._losses = positions * batch, (Losses * threads)()
        self._given = h, linear.weight.contiguous(), linear.bias.contiguous(), targets.t().contiguous(), kept
        #: (T, B, H) as h, to be filled: its gradients.
        self.h_grads = torch.empty_like(h)
        grads = kernel.scratch("output grads", threads, columns * (units + 1))
        #: (V, H) and (V,) float32, to be filled: those of the linear layer, valid until the next ones.
        self.weight_grads = grads[0, : vocabulary * units].view(vocabulary, units)
        self.bias_grads = grads[0, columns * units : columns * units + vocabulary]
        arguments = OutputArguments(
            paired=h.dtype is torch.bfloat16,
            parts=threads,
            rows=self._rows,
            batch=batch,
            units=units,
            vocabulary=vocabulary,
            factor=1 / self._rows,
            losses=ctypes.addressof(self._losses),
            h_grads=self.h_grads.data_ptr(),
            grads=grads.data_ptr(),
            scratch=kernel.scratch("output", threads, room).data_ptr(),
            room=room,
        )
        arguments.h, arguments.weights, arguments.bias, arguments.targets, arguments.kept = map(place, self._given)
        #: What computes them.
        self.tasks = Task("output", arguments, threads), Task("collect_output", arguments, threads)

    def loss(self) -> float:
        """Return the mean over all positions, in nats, once the tasks have run."""
        return sum(of_thread.sum for of_thread in self._losses) / self._rows


def computes_loss(kernel: Kernel, *, bfloat16: bool) -> bool:
    """Return True if the kernel has such products and they are faster than torch's: by AMX torch's are."""
    return not bfloat16 or kernel.bfloat16 is Kind.BFLOAT16


def compiled_loss(kernel: Kernel, linear: nn.Linear, h: Tensor, targets: Tensor, kept: Tensor | None) -> Tensor:
    """Return the mean loss over all positions, in nats, recorded by autograd; arguments as of `Output`."""
    loss: Tensor = _Loss.apply(kernel, linear, h, targets, kept, linear.weight, linear.bias)  # type: ignore[no-untyped-call]
    return loss


class _Loss(torch.autograd.Function):
    """The gradients are computed along with the loss."""

    @staticmethod
    def forward(
        ctx: Any, kernel: Kernel, linear: nn.Linear, h: Tensor, targets: Tensor, kept: Tensor | None, *_: Tensor
    ) -> Tensor:
        output = Output(kernel, h.contiguous(), linear, targets, kept)
        kernel.run(*output.tasks)
        ctx.grads = output.h_grads, output.weight_grads.clone(), output.bias_grads.clone()
        return torch.tensor(output.loss())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (h_grads, *grads), factor = ctx.grads, float(grad)
        if factor != 1:
            h_grads, *grads = (one * factor for one in (h_grads, *grads))
        return (None, None, h_grads, None, None, *grads)
