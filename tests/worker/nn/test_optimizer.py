"""Muon and Adam together: each takes torch's own steps for its weights."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.requests.flops import ROUNDS
from worker.nn.kernel import load
from worker.nn.model import CharLSTM
from worker.nn.muon import COEFFICIENTS, DECAY, MOMENTUM, TIMES_ADAM, orthogonal
from worker.nn.optimizer import Optimizer

SQUARE = {"lstm.weight_hh_l0", "lstm.weight_hh_l1", "lstm.weight_ih_l1"}


def model(units: int = 32) -> CharLSTM:
    torch.manual_seed(1)
    # As wide an embedding as the layer: what enters the first layer would be square, too.
    return CharLSTM(vocab_size=30, hidden_size=units, embedding_size=units, layers=2)


def gradients(made: nn.Module, seed: int, *, of: nn.Module | None = None) -> None:
    """Compute a model's gradients, as if they were those of another one."""
    torch.manual_seed(seed)
    codes = torch.randint(0, 30, (5, 40))
    logits, _ = made(codes)
    functional.cross_entropy(logits.flatten(0, 1), codes.roll(-1, 1).flatten()).backward()  # type: ignore[no-untyped-call]
    for one, other in zip(made.parameters(), (of or made).parameters(), strict=True):
        other.grad = one.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_orthogonal_brings_all_singular_values_near_one_and_keeps_the_directions(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    left, _ = torch.linalg.qr(torch.randn(48, 48))
    right, _ = torch.linalg.qr(torch.randn(48, 48))
    strengths = torch.logspace(0, -1, 48) * 1e-6
    first = left @ torch.diag(strengths) @ right
    found, other = orthogonal(torch.stack([first, first.t()]), dtype)
    assert found.dtype == torch.float32
    assert torch.allclose(found, other.t(), atol=0.05)
    inner = left.t() @ found @ right.t()
    assert float(inner.diag().min()) > 0.7
    assert float(inner.diag().max()) < 1.45
    assert float((inner - inner.diag().diag()).abs().max()) < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_no_singular_value_grows_beyond_its_bound(seed: int) -> None:
    torch.manual_seed(seed)
    # Nearly alike, all of one size, and with one that is far above the others.
    for strengths in (torch.ones(64), torch.rand(64), torch.logspace(0, -6, 64), torch.eye(64)[0] + 1e-3):
        matrix = torch.linalg.qr(torch.randn(64, 64))[0] @ strengths.diag() @ torch.linalg.qr(torch.randn(64, 64))[0]
        found = orthogonal(matrix[None], torch.float32)[0]
        assert float(torch.linalg.matrix_norm(found, 2)) < 1.42


def test_rounds_are_counted_as_they_are_made() -> None:
    assert len(COEFFICIENTS) == ROUNDS


def test_orthogonal_of_nothing_is_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(1, 8, 8), torch.bfloat16), torch.zeros(1, 8, 8))


def test_steps_are_those_of_torchs_muon_for_each_gate_and_of_its_adam_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its own has the same coefficients in all rounds and no bound.
    monkeypatch.setattr(
        "torch.optim._muon._zeropower_via_newtonschulz",
        lambda grad, *_: orthogonal(grad[None].clone(), torch.float32)[0],
    )
    ours, theirs = model(), model()
    optimizer = Optimizer(ours, muon=True, bfloat16=False)
    named = dict(theirs.named_parameters())
    gates: list[tuple[str, int, Tensor]] = [
        (name, gate, part.requires_grad_())
        for name in SQUARE
        for gate, part in enumerate(named[name].detach().chunk(4))  # they share the weight's memory
    ]
    muon = torch.optim.Muon(
        [part for *_, part in gates],
        lr=TIMES_ADAM * 0.01,
        weight_decay=DECAY,
        momentum=MOMENTUM,
        nesterov=True,
    )
    adam = torch.optim.Adam([value for name, value in named.items() if name not in SQUARE], lr=0.01)
    for step in range(5):
        gradients(ours, step)
        # The same gradients, since what is compared is the step; theirs would drift apart by rounding.
        for name, parameter in ours.named_parameters():
            assert parameter.grad is not None
            named[name].grad = parameter.grad.clone()
        for name, gate, part in gates:
            grad = named[name].grad
            assert grad is not None
            part.grad = grad.chunk(4)[gate].clone()
        optimizer.step(0.01)
        muon.step()  # type: ignore[no-untyped-call]
        adam.step()
    untouched = dict(model().named_parameters())
    for name, parameter in ours.named_parameters():
        moved = float((named[name] - untouched[name]).detach().norm())
        apart = float((named[name] - parameter).detach().norm())
        assert moved > 0.01, name
        assert apart < 1e-5 * moved, name


def test_without_muon_every_weight_takes_adams_step() -> None:
    ours, theirs = model(), model()
    optimizer = Optimizer(ours, muon=False, bfloat16=False)
    adam = torch.optim.Adam(theirs.parameters(), lr=0.01, fused=True)
    for step in range(3):
        gradients(ours, step)
        gradients(theirs, step)
        optimizer.step(0.01)
        adam.step()
        adam.zero_grad()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_output_layer_takes_steps_of_its_own_size() -> None:
    ours, theirs = model(), model()
    for made, factor in ((ours, 4.0), (theirs, 1.0)):
        gradients(made, 0)
        Optimizer(made, muon=True, bfloat16=False).step(0.01, output_factor=factor)
    untouched = dict(model().named_parameters())
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        moved, wanted = ((weight - untouched[name]).detach().norm() for weight in (one, other))
        assert float(moved / wanted) == pytest.approx(4 if name.startswith("linear") else 1, rel=1e-3), name


def test_what_it_remembers_goes_on_elsewhere() -> None:
    ours = model()
    first = Optimizer(ours, muon=True, bfloat16=True)
    gradients(ours, 1)
    first.step(0.01)
    kept = first.capture()
    assert {name for name in kept if name.startswith("muon.")} == {f"muon.{name}" for name in SQUARE}
    assert not any(name.endswith(tuple(SQUARE)) for name in kept if name.startswith("adam."))
    elsewhere = model()
    elsewhere.load_state_dict(ours.weights())
    second = Optimizer(elsewhere, muon=True, bfloat16=True)
    second.restore(kept)
    for made, optimizer in ((ours, first), (elsewhere, second)):
        gradients(made, 2)
        optimizer.step(0.01)
    for one, other in zip(ours.parameters(), elsewhere.parameters(), strict=True):
        assert torch.equal(one, other)
    assert all(torch.equal(first.capture()[name], value) for name, value in second.capture().items())


@pytest.mark.skipif(load() is None, reason="this processor belongs to no family")
@pytest.mark.parametrize("units", [64, 24])
def test_the_kernel_takes_the_same_steps(units: int) -> None:
    kernel = load()
    assert kernel is not None
    found: dict[tuple[bool, bool], CharLSTM] = {}
    for bfloat16, compiled in product((False, True), repeat=2):
        found[bfloat16, compiled] = made = model(units)
        optimizer = Optimizer(made, muon=True, bfloat16=bfloat16, kernel=kernel if compiled else None)
        for step in range(3):
            gradients(model(units), step, of=made)
            optimizer.step(0.01)
    untouched = model(units)
    for name in SQUARE:
        moved = {
            key: (made.get_parameter(name) - untouched.get_parameter(name)).detach() for key, made in found.items()
        }
        exact, by_kernel = moved[False, False], moved[False, True]
        assert torch.allclose(by_kernel, exact, atol=1e-5)
        rounded = [float((moved[True, one] - exact).norm() / exact.norm()) for one in (False, True)]
        assert min(rounded) > 0, "products are in bfloat16"
        assert max(rounded) < 0.03
        if units % 32:
            assert torch.equal(by_kernel, exact), "torch computes them"
        else:
            assert not torch.equal(by_kernel, exact), "another order of sums"


@pytest.mark.skipif(load() is None, reason="this processor belongs to no family")
@pytest.mark.parametrize("max_norm", [1e-3, 1e3])
def test_the_kernel_clips_and_takes_adams_steps_as_torch_does(max_norm: float) -> None:
    kernel = load()
    assert kernel is not None
    ours, theirs, start = model(), model(), model()
    mine = Optimizer(ours, muon=False, bfloat16=False, kernel=kernel.with_threads(3))
    adam = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for step in range(3):
        gradients(model(), step, of=ours)
        gradients(model(), step, of=theirs)
        mine.step(0.01, max_norm=max_norm)
        nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
        adam.step()
    for one, other, before in zip(ours.parameters(), theirs.parameters(), start.parameters(), strict=True):
        torch.testing.assert_close(one - before, other - before, rtol=1e-3, atol=1e-6)


@pytest.mark.skipif(load() is None, reason="this processor belongs to no family")
def test_a_weight_without_a_gradient_stays() -> None:
    made, before = model(), model()
    optimizer = Optimizer(made, muon=True, bfloat16=False, kernel=load())
    gradients(made, 0)
    still = ("lstm.bias_ih_l0", "lstm.weight_hh_l0")
    for name in still:
        made.get_parameter(name).grad = None
    optimizer.step(0.01, max_norm=1.0)
    moved = {name for name, value in made.named_parameters() if not torch.equal(value, before.get_parameter(name))}
    assert moved == {name for name, _ in made.named_parameters()} - set(still)
