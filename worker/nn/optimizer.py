"""What moves the weights: Adam, and for the square matrices of `stream`'s LSTM Muon. Knows no text and no schedule.

Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024) steps by the orthogonal matrix
that is nearest to the averaged gradient: every direction that the gradient has is gone equally far, not the few strong
ones alone. Each gate's H x H part is a matrix of its own. Beside it weights decay (Liu et al., "Muon is scalable for
LLM training", 2025), which holds their singular values below 1 / DECAY.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from shared.requests.flops import ROUNDS

#: Muon's step as a multiple of Adam's, share of a matrix that a step of size 1 takes away, and memory of the gradients.
TIMES_ADAM, DECAY, MOMENTUM = 12.0, 0.1, 0.95
#: The Newton-Schulz iteration's published coefficients: they bring all but small singular values to 0.7..1.2, fast.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
#: The four gates' products in one call up to this width; wider ones are faster one by one.
_TOGETHER = 512
_ADAM, _MUON = "adam", "muon"


class Optimizer:
    """Steps all weights of a module with an `lstm`.

    Args:
        model: its gradients are taken and its weights changed.
        muon: step the LSTM's square matrices by Muon; all by Adam otherwise.
        bfloat16: multiply in bfloat16 while making a gradient orthogonal.
    """

    def __init__(self, model: nn.Module, *, muon: bool, bfloat16: bool) -> None:
        self._by_adam = dict(model.named_parameters())
        square = [name for name in self._by_adam if muon and _is_square(name)]
        self._by_muon = {name: self._by_adam.pop(name) for name in square}
        self._adam = torch.optim.Adam(self._by_adam.values(), fused=True)
        self._averages = {name: torch.zeros_like(weight) for name, weight in self._by_muon.items()}
        self._dtype = torch.bfloat16 if bfloat16 else torch.float32

    def step(self, learning_rate: float) -> None:
        """Change the weights by their gradients, and forget these; `learning_rate`: Adam's."""
        self._adam.param_groups[0]["lr"] = learning_rate
        self._adam.step()
        self._adam.zero_grad()
        size = TIMES_ADAM * learning_rate
        for name, weight in self._by_muon.items():
            grad, weight.grad = weight.grad, None
            if grad is None:
                continue
            average = self._averages[name].lerp_(grad, 1 - MOMENTUM)
            ahead = grad.lerp_(average, MOMENTUM)  # as Nesterov's momentum looks ahead
            with torch.no_grad():
                weight.mul_(1 - size * DECAY)
                for part, change in zip(_gates(weight), _gates(ahead), strict=True):
                    part.sub_(orthogonal(change, self._dtype), alpha=size)

    def capture(self) -> dict[str, Tensor]:
        """Copy what it remembers of the gradients, by flat names."""
        found = {f"{_MUON}.{name}": value.clone() for name, value in self._averages.items()}
        for name, parameter in self._by_adam.items():
            for moment, value in self._adam.state.get(parameter, {}).items():
                found[f"{_ADAM}.{moment}.{name}"] = value.detach().clone()
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `capture` returned; other names are left alone."""
        for name in self._averages:
            self._averages[name] = tensors[f"{_MUON}.{name}"].clone()
        for name, parameter in self._by_adam.items():
            found = {moment: f"{_ADAM}.{moment}.{name}" for moment in ("step", "exp_avg", "exp_avg_sq")}
            if found["step"] in tensors:
                self._adam.state[parameter] = {moment: tensors[key].clone() for moment, key in found.items()}


def orthogonal(matrices: Tensor, dtype: torch.dtype) -> Tensor:
    """Return about the nearest orthogonal matrix of each, (n, H, H) float32, by products in `dtype`; zeros of zeros."""
    a, b, c = COEFFICIENTS
    x: Tensor = (matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-30)).to(dtype)
    for _ in range(ROUNDS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.float()


def _gates(weight: Tensor) -> tuple[Tensor, ...]:
    """Return views of the four gates' matrices, as many together as are multiplied in one call."""
    units = weight.shape[1]
    return torch.split(weight.view(4, units, units), 4 if units <= _TOGETHER else 1)


def _is_square(name: str) -> bool:
    """Return True if it is four gates' H x H: what enters the first layer is looked up by character."""
    return name.startswith("lstm.weight_") and name != "lstm.weight_ih_l0"
