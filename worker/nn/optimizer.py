"""The optimizer: Adam, and Muon for the square matrices of the LSTM in `stream`. Knows no text and no schedule."""

import ctypes
import math
from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from worker.nn.kernel import Kernel
from worker.nn.kernel.structures import AdamArguments, AdamWeight, ClipArguments, Task, place
from worker.nn.muon import TIMES_ADAM, kernel_kind, muon_task, step_by_torch

#: Adam's: what is kept of the averages of gradients and of their squares, and what is added to the root of the latter.
_BETAS, _EPSILON = (0.9, 0.999), 1e-8
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
            name: {_AVERAGE: torch.zeros_like(weight), _SQUARES: torch.zeros_like(weight)}
            for name, weight in self._by_adam.items()
        }
        self._steps = dict.fromkeys(self._by_adam, 0)
        self._averages = {name: torch.zeros_like(weight) for name, weight in self._by_muon.items()}
        self._dtype = torch.bfloat16 if bfloat16 else torch.float32
        self._kernel = kernel
        #: What the kernel is given: of each weight where its arrays are, which stay there.
        self._arrays = (AdamWeight * (len(self._by_adam) + len(self._by_muon)))()
        for array, (name, weight) in zip(self._arrays, (self._by_adam | self._by_muon).items(), strict=True):
            array.size = weight.numel()
            if name in self._moments:
                array.weights, moments = weight.data_ptr(), self._moments[name]
                array.averages, array.squares = moments[_AVERAGE].data_ptr(), moments[_SQUARES].data_ptr()

    @torch.no_grad()
    def step(self, learning_rate: float, *, output_factor: float = 1.0, max_norm: float = math.inf) -> None:
        """Change the weights by their gradients, and clear these.

        Args:
            learning_rate: Adam's.
            output_factor: the output layer's, as a multiple of it.
            max_norm: gradients are scaled down to it where their norm is larger (Pascanu et al., 2013).
        """
        grads: dict[str, Tensor] = {}
        for name, weight in (self._by_adam | self._by_muon).items():
            if weight.grad is not None:
                grads[name], weight.grad = weight.grad.contiguous(), None
        rates: dict[str, float] = {}
        for name in self._by_adam:
            if name in grads:
                self._steps[name] += 1
                rates[name] = learning_rate * (output_factor if _is_output(name) else 1.0)
        size = TIMES_ADAM * learning_rate
        if self._kernel is not None:
            self._step_by_kernel(self._kernel, grads, rates, size, max_norm)
            return
        clips = max_norm < math.inf
        factor = _clipping(float(nn.utils.get_total_norm(grads.values())), max_norm) if clips else 1.0
        for name, rate in rates.items():
            self._step_adam(name, grads[name].mul_(factor), rate)
        for name, weight in self._by_muon.items():
            if name in grads:
                step_by_torch(weight, grads[name].mul_(factor), self._averages[name], size=size, dtype=self._dtype)

    def _step_by_kernel(
        self, kernel: Kernel, grads: Mapping[str, Tensor], rates: Mapping[str, float], size: float, max_norm: float
    ) -> None:
        threads, clips = kernel.threads, max_norm < math.inf
        squares = (ctypes.c_double * threads)()
        clip = ClipArguments(ctypes.addressof(squares), threads if clips else 0, max_norm)
        for array, name in zip(self._arrays, chain(self._by_adam, self._by_muon), strict=True):
            array.grads = place(grads.get(name))
            if name in rates:
                array.step = rates[name] / (1 - _BETAS[0] ** self._steps[name])
                array.root = (1 - _BETAS[1] ** self._steps[name]) ** -0.5
        arguments = AdamArguments(
            count=len(self._arrays),
            weights=ctypes.addressof(self._arrays),
            momentum=_BETAS[0],
            keep=_BETAS[1],
            least=_EPSILON,
            clip=clip,
        )
        tasks, left = [Task("squares", arguments, threads)] if clips else [], []
        tasks.append(Task("adam", arguments, threads))
        for name in (name for name in self._by_muon if name in grads):
            weight, grad, average = self._by_muon[name], grads[name], self._averages[name]
            kind = kernel_kind(weight.shape[1], self._dtype, kernel)
            if kind is None:
                left.append((weight, grad, average))
            else:
                tasks.append(muon_task(kernel, weight, grad, average, size=size, clip=clip, kind=kind))
        kernel.run(*tasks)
        factor = _clipping(math.sqrt(sum(squares)), max_norm)
        for weight, grad, average in left:
            step_by_torch(weight, grad.mul_(factor), average, size=size, dtype=self._dtype)

    def _step_adam(self, name: str, grad: Tensor, rate: float) -> None:
        moments = self._moments[name]
        adam(
            [self._by_adam[name]],
            [grad],
            exp_avgs=[moments[_AVERAGE]],
            exp_avg_sqs=[moments[_SQUARES]],
            max_exp_avg_sqs=[],
            state_steps=[torch.tensor(self._steps[name] - 1.0)],
            fused=True,
            amsgrad=False,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            lr=rate,
            weight_decay=0,
            eps=_EPSILON,
            maximize=False,
        )

    def capture(self) -> dict[str, Tensor]:
        """Copy the optimizer's state, by flat names."""
        found = {f"{_MUON}.{name}": value.clone() for name, value in self._averages.items()}
        for name, moments in self._moments.items():
            found[f"{_ADAM}.{_STEP}.{name}"] = torch.tensor(float(self._steps[name]))
            found |= {f"{_ADAM}.{moment}.{name}": value.clone() for moment, value in moments.items()}
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `capture` returned; ignore other names."""
        for name, average in self._averages.items():
            average.copy_(tensors[f"{_MUON}.{name}"])
        for name, moments in self._moments.items():
            if (key := f"{_ADAM}.{_STEP}.{name}") in tensors:
                self._steps[name] = int(tensors[key])
            for moment, value in moments.items():
                if (key := f"{_ADAM}.{moment}.{name}") in tensors:
                    value.copy_(tensors[key])


def _clipping(norm: float, max_norm: float) -> float:
    """Return what gradients of this norm are multiplied by, as clip.h does."""
    return 1.0 if norm <= max_norm else max_norm / norm


def _is_output(name: str) -> bool:
    return name.startswith("linear.")


def _is_square(name: str) -> bool:
    """Return True if it holds H x H matrices of four gates: the first layer's input weights don't."""
    return name.startswith("lstm.weight_") and name != "lstm.weight_ih_l0"
