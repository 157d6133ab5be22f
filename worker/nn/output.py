"""The loss of the linear layer onto the vocabulary, with its gradients, computed by the compiled kernel in one pass."""

from typing import Any

import torch
from torch import Tensor, nn

from worker.nn.kernel import Kernel
from worker.nn.kernel.structures import Kind


def computes_loss(kernel: Kernel, *, bfloat16: bool) -> bool:
    """Return True if the kernel has such products and they are faster than torch's: by AMX torch's are."""
    return not bfloat16 or kernel.bfloat16 is Kind.BFLOAT16


def compiled_loss(kernel: Kernel, linear: nn.Linear, outputs: Tensor, targets: Tensor, kept: Tensor | None) -> Tensor:
    """Return the mean loss over all positions, in nats.

    Args:
        kernel: computes it.
        linear: onto the vocabulary.
        outputs: (T, B, H) of the last layer, float32 or bfloat16.
        targets: (B, T) int64.
        kept: (B, H) float32, what each batch row's units are multiplied with first.
    """
    loss: Tensor = _Loss.apply(outputs, linear.weight, linear.bias, targets, kept, kernel)  # type: ignore[no-untyped-call]
    return loss


class _Loss(torch.autograd.Function):
    """The gradients are computed along with the loss."""

    @staticmethod
    def forward(
        ctx: Any, outputs: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, kept: Tensor | None, kernel: Kernel
    ) -> Tensor:
        computed = kernel.output(
            outputs.contiguous(),
            weight.contiguous(),
            bias.contiguous(),
            targets.t().contiguous(),
            kept=kept,
        )
        ctx.grads = computed.outputs, computed.weight, computed.bias
        return computed.loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grads, factor = ctx.grads, float(grad)
        if factor != 1:
            grads = tuple(one * factor for one in grads)
        return (*grads, None, None, None)
