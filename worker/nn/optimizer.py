"""The optimizer: Adam, and Muon for the square matrices of the LSTM in `stream`. Knows no text and no schedule.

Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024) steps by the orthogonal matrix
nearest to the averaged gradient: equally far in every direction of the gradient, not only in the few strong ones. Each
gate's H x H part is a matrix of its own. These weights also decay (Liu et al., "Muon is scalable for LLM training",
2025), which keeps their singular values below 1 / DECAY.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from worker.nn.kernel import UNITS, Kernel
from worker.nn.kernel.structures import Kind

#: Muon's step size as a multiple of Adam's, the weight decay of a step of size 1, and the momentum.
TIMES_ADAM, DECAY, MOMENTUM = 12.0, 0.1, 0.95
#: Coefficients of each round of the Newton-Schulz iteration: those that bring singular values of 0.01 to 1, evenly
#: spread by their logarithms, nearest to 1, least squares. From 0.04 on they get to 0.74..1.41, smaller ones grow up to
#: 20 times (ADR 41).
COEFFICIENTS = ((4.6996, -13.0490, 9.5186), (4.1866, -6.8549, 3.4189))
#: How far the bound of the singular values is put above itself, since products are rounded.
_MARGIN = 1.03
_TOGETHER = 512
_ADAM, _MUON = "adam", "muon"
#: Adam's state of a weight, as torch.optim.Adam names it.
_STEP, _AVERAGE, _SQUARES = "step", "exp_avg", "exp_avg_sq"


class Optimizer:
    """Steps all weights of a module with an `lstm`.

    Args:
        model: whose gradients are used and weights changed.
        muon: use Muon for the LSTM's square matrices; otherwise Adam for all weights.
        bfloat16: multiply in bfloat16 while making a gradient orthogonal.
        kernel: multiplies instead of torch, if there is one.
    """

    def __init__(self, model: nn.Module, *, muon: bool, bfloat16: bool, kernel: Kernel | None = None) -> None:
        self._by_adam = dict(model.named_parameters())
        square = [name for name in self._by_adam if muon and _is_square(name)]
        self._by_muon = {name: self._by_adam.pop(name) for name in square}
        # Not torch.optim.Adam: making one imports torch's compiler, two seconds of processor time in each process.
        self._moments = {
            name: {_STEP: torch.zeros(()), _AVERAGE: torch.zeros_like(weight), _SQUARES: torch.zeros_like(weight)}
            for name, weight in self._by_adam.items()
        }
        self._averages = {name: torch.zeros_like(weight) for name, weight in self._by_muon.items()}
        self._dtype = torch.bfloat16 if bfloat16 else torch.float32
        self._kernel = kernel

    def step(self, learning_rate: float, *, output_factor: float = 1.0) -> None:
        """Change the weights by their gradients, and clear these.

        learning_rate: Adam's; output_factor: the output layer's, as a multiple of it.
        """
        self._step_adam([name for name in self._by_adam if not _is_output(name)], learning_rate)
        self._step_adam([name for name in self._by_adam if _is_output(name)], learning_rate * output_factor)
        size = TIMES_ADAM * learning_rate
        for name, weight in self._by_muon.items():
            grad, weight.grad = weight.grad, None
            if grad is not None:
                with torch.no_grad():
                    self._step_muon(weight, grad, self._averages[name], size)

    def _step_muon(self, weight: Tensor, grad: Tensor, average: Tensor, size: float) -> None:
        units, kept = weight.shape[1], 1 - size * DECAY
        if self._kernel is not None and (kind := _kind(units, self._dtype, self._kernel)) is not None:
            gates, grads, averages = (one.view(4, units, units) for one in (weight, grad.contiguous(), average))
            self._kernel.muon(gates, grads, averages, COEFFICIENTS, momentum=MOMENTUM, kept=kept, size=size, kind=kind)
            return
        average.lerp_(grad, 1 - MOMENTUM)
        ahead = grad.lerp_(average, MOMENTUM)  # Nesterov momentum
        weight.mul_(kept)
        # Up to some width torch computes the four gates' products in one call; wider ones are faster one by one.
        together = 4 if units <= _TOGETHER else 1
        parts, changes = (torch.split(one.view(4, units, units), together) for one in (weight, ahead))
        for part, change in zip(parts, changes, strict=True):
            part.sub_(orthogonal(change, self._dtype), alpha=size)

    def _step_adam(self, names: Sequence[str], learning_rate: float) -> None:
        grads = {name: grad for name in names if (grad := self._by_adam[name].grad) is not None}
        states = [self._moments[name] for name in grads]
        with torch.no_grad():
            adam(
                [self._by_adam[name] for name in grads],
                list(grads.values()),
                exp_avgs=[state[_AVERAGE] for state in states],
                exp_avg_sqs=[state[_SQUARES] for state in states],
                max_exp_avg_sqs=[],
                state_steps=[state[_STEP] for state in states],
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=learning_rate,
                weight_decay=0,
                eps=1e-8,
                maximize=False,
            )
        for name in grads:
            self._by_adam[name].grad = None

    def capture(self) -> dict[str, Tensor]:
        """Copy the optimizer's state, by flat names."""
        found = {f"{_MUON}.{name}": value.clone() for name, value in self._averages.items()}
        for name, state in self._moments.items():
            found |= {f"{_ADAM}.{moment}.{name}": value.clone() for moment, value in state.items()}
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `capture` returned; ignore other names."""
        for name in self._averages:
            self._averages[name] = tensors[f"{_MUON}.{name}"].clone()
        for name, state in self._moments.items():
            for moment in state:
                if (key := f"{_ADAM}.{moment}.{name}") in tensors:
                    state[moment] = tensors[key].clone()


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


def _kind(units: int, dtype: torch.dtype, kernel: Kernel | None) -> Kind | None:
    """Return the kind of the kernel's products, or None if torch multiplies: by AMX it is faster."""
    if kernel is None or units % UNITS:
        return None
    kind = Kind.FLOAT32 if dtype is torch.float32 else kernel.bfloat16
    return None if kind is Kind.BFLOAT16_TILES else kind


def _is_output(name: str) -> bool:
    return name.startswith("linear.")


def _is_square(name: str) -> bool:
    """Return True if it holds H x H matrices of four gates: the first layer's input weights don't."""
    return name.startswith("lstm.weight_") and name != "lstm.weight_ih_l0"
