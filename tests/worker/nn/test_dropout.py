"""What training leaves out by chance: shares hold, for a whole sequence or step, and both ways of computing agree."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.worker.layer import compiled_layer
from worker.nn import kernel
from worker.nn.dropout import NONE, Dropout
from worker.nn.model import CharLSTM


@pytest.fixture(params=["compiled", "torch"])
def fused(request: pytest.FixtureRequest) -> kernel.Kernel | None:
    if request.param == "torch":
        return None
    return compiled_layer()


def model(fused: kernel.Kernel | None, dropout: Dropout, layers: int = 2) -> CharLSTM:
    torch.manual_seed(1)
    made = CharLSTM(vocab_size=30, hidden_size=64, embedding_size=16, layers=layers, dropout=dropout)
    made.fuse(fused, bfloat16=False)
    return made


def codes() -> Tensor:
    return torch.randint(0, 30, (5, 40), generator=torch.Generator().manual_seed(2))


def logits_and_gradients(made: CharLSTM) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the logits and the gradients of one step."""
    torch.manual_seed(3)
    made.zero_grad()
    logits, _ = made(codes())
    functional.cross_entropy(logits.flatten(0, 1), codes().flatten()).backward()  # type: ignore[no-untyped-call]
    return logits.detach().clone(), {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


def test_a_unit_is_silent_for_a_whole_sequence() -> None:
    torch.manual_seed(1)
    found = Dropout(units=0.2).variational_dropout(torch.ones(50, 40, 256))
    assert set(found.flatten().tolist()) == {0.0, 1.25}
    assert torch.equal(found, found[:1].expand_as(found))
    share = float((found[0] == 0).float().mean())
    assert abs(share - 0.2) < 0.02  # five standard deviations of 10,240 trials
    assert not torch.equal(found[:, 0], found[:, 1])


def test_weights_are_missing_for_a_whole_step(fused: kernel.Kernel | None) -> None:
    made = model(fused, Dropout(weights=0.4))
    logits, grads = logits_and_gradients(made)
    without = model(fused, NONE)
    names = ["lstm.weight_hh_l0", "lstm.weight_hh_l1"]
    missing = {name: grads[name] == 0 for name in names}  # what is missing has no gradient, all others have one
    for name in names:
        assert abs(float(missing[name].float().mean()) - 0.4) < 0.02
        weight = without.get_parameter(name).data
        weight.div_(0.6)[missing[name]] = 0.0
    assert not torch.equal(*missing.values())
    wanted, plain = logits_and_gradients(without)
    torch.testing.assert_close(logits, wanted)
    for name in names:
        torch.testing.assert_close(grads[name][~missing[name]], plain[name][~missing[name]] / 0.6)
    _, again = logits_and_gradients(made)
    assert torch.equal(again["lstm.weight_hh_l0"], grads["lstm.weight_hh_l0"])


def test_the_compiled_layer_drops_its_share_and_keeps_the_mean() -> None:
    """No unit, and no row of weights, is dropped more often than chance has it."""
    units, share, found = 256, 0.2, []
    compiled = compiled_layer()
    for seed, threads in ((1, 1), (1, 2), (2, 1)):
        torch.manual_seed(seed)
        made = CharLSTM(vocab_size=30, hidden_size=units, embedding_size=16, dropout=Dropout(weights=share))
        made.fuse(compiled.with_threads(threads), bfloat16=False)
        torch.manual_seed(seed)
        made.learn(codes(), codes())
        grad = made.get_parameter("lstm.weight_hh_l0").grad
        assert grad is not None
        found.append(grad == 0)
    assert torch.equal(found[0], found[1])
    for dropped, wanted in ((found[0], share), (found[2], share), (found[0] & found[2], share**2)):
        assert abs(float(dropped.float().mean()) - wanted) < 0.005
    # Six standard deviations of 1,024 and 256 trials.
    assert float((found[0].float().mean(0) - share).abs().max()) < 6 * 0.4 / 32
    assert float((found[0].float().mean(1) - share).abs().max()) < 6 * 0.4 / 16


@pytest.mark.parametrize("layers", [1, 3])
def test_the_compiled_layer_is_silenced_as_torchs_is(layers: int) -> None:
    (logits, grads), (wanted, wanted_grads) = (
        logits_and_gradients(model(way, Dropout(units=0.3), layers)) for way in (compiled_layer(), None)
    )
    torch.testing.assert_close(logits, wanted, rtol=1e-4, atol=1e-6)
    assert grads.keys() == wanted_grads.keys()
    for name, value in wanted_grads.items():
        torch.testing.assert_close(grads[name], value, rtol=1e-3, atol=1e-7)


def test_nothing_is_left_out_of_what_is_only_judged(fused: kernel.Kernel | None) -> None:
    made, plain = model(fused, Dropout(units=0.5, weights=0.5)), model(fused, NONE)
    logits = made(codes())[0].detach().clone()
    assert not torch.allclose(logits, plain(codes())[0])
    torch.testing.assert_close(made.eval()(codes())[0], plain.eval()(codes())[0].clone())


def test_a_state_is_carried_on_through_what_is_left_out(fused: kernel.Kernel | None) -> None:
    """Silent units are silent to the layer above alone: what a layer carries on isn't scaled."""
    made, plain = model(fused, Dropout(units=0.5), layers=1), model(fused, NONE, layers=1)
    _, (h, c) = made(codes())
    _, (plain_h, plain_c) = plain(codes())
    torch.testing.assert_close(h, plain_h)
    torch.testing.assert_close(c, plain_c)
