"""The compiled layer computes what torch's own LSTM computes."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.worker.short_trainings import assert_same
from worker.nn.dropout import NONE, Dropout
from worker.nn.kernel import Kernel
from worker.nn.kernel.compilation import FAMILIES, Family, machine, processor_flags
from worker.nn.kernel.structures import ClipArguments, Kind
from worker.nn.model import CharLSTM
from worker.nn.muon import COEFFICIENTS, MOMENTUM, muon_task

#: Relative error of gradients: rounding to float32, to bfloat16's eight bits, to steps of 1 / 127, and of 1 / 63.
EXACT, ROUNDED, EIGHT, SEVEN = 2e-6, 1.5e-2, 5e-2, 8e-2
#: Families that lift numbers of seven bits.
_SEVEN = ("avx512", "avx2")
#: AVX-VNNI computed by AVX-512's VNNI, for processors that have only this.
AVX_VNNI = replace(
    next(family for family in FAMILIES if family.name == "avx-vnni"),
    name="avx-vnni-by-avx512",
    needs=("avx512vl", "avx512_vnni"),
    flags=("-mavx2", "-mfma", "-mavx512vl", "-mavx512vnni"),
)


@pytest.fixture(scope="module", params=[*FAMILIES, AVX_VNNI], ids=lambda family: family.name)
def compiled(request: pytest.FixtureRequest) -> Kernel:
    """The layer as compiled for each family of processors that this one belongs to."""
    family: Family = request.param
    if family.machine != machine() or not processor_flags().issuperset(family.needs):
        pytest.skip(f"this processor has no {family.title}")
    return Kernel(family)


@pytest.fixture(params=[False, True], ids=["", "eight"])
def kind(compiled: Kernel, request: pytest.FixtureRequest) -> Kind:
    """The kind of products: bfloat16 where there is, or eight bits."""
    if not request.param:
        return compiled.bfloat16 or Kind.FLOAT32
    if not compiled.eight_bits:
        pytest.skip(f"{compiled.family.title} has no products of eight bits")
    return Kind.EIGHT_BITS


def keeps_bfloat16(compiled: Kernel, kind: Kind) -> bool:
    return kind is not Kind.FLOAT32 and compiled.bfloat16 is not None


def fuse(model: CharLSTM, compiled: Kernel, kind: Kind) -> None:
    model.fuse(compiled, bfloat16=keeps_bfloat16(compiled, kind), eight_bits=kind is Kind.EIGHT_BITS)


def enlarge(model: CharLSTM, kind: Kind) -> CharLSTM:
    """Make the gates of a new model open and close, if products are in eight bits: they round h to steps of 1 / 127."""
    if kind is Kind.EIGHT_BITS:
        with torch.no_grad():
            for weight in model.lstm.parameters():
                weight.mul_(4)
    return model


def limit_of(kind: Kind, model: CharLSTM, compiled: Kernel) -> float:
    """Return how far gradients may be: in eight bits each layer adds as much again."""
    if kind is Kind.EIGHT_BITS:
        return (SEVEN if compiled.family.name in _SEVEN else EIGHT) * model.layers
    return EXACT if kind is Kind.FLOAT32 else ROUNDED


def gradients(model: CharLSTM, codes: Tensor, *, bfloat16: bool, last: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the logits and the gradients of a loss."""
    model.zero_grad()
    carried = None
    if not last:
        torch.manual_seed(3)
        shape = (model.layers, len(codes), model.hidden_size)
        carried = (torch.randn(shape) * 0.3, torch.randn(shape) * 0.3)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = model.last(codes) if last else model(codes, carried)[0]
    targets = codes[:, -1] if last else codes.flatten()
    functional.cross_entropy(logits.float().flatten(0, -2), targets).backward()  # type: ignore[no-untyped-call]
    return logits.detach().float(), {
        name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None
    }


def loss_gradients(model: CharLSTM, codes: Tensor, *, bfloat16: bool) -> tuple[float, dict[str, Tensor]]:
    """Return twice a loss, some of whose terms belong to units that are dropped, and its gradients."""
    model.zero_grad()
    torch.manual_seed(5)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        loss = 2 * model.loss(codes, codes.roll(-1, 1))[0]
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach()), {
        name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None
    }


def distance(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize(
    ("sizes", "shape", "last"),
    [
        ({"vocab_size": 67, "hidden_size": 256, "embedding_size": 64}, (16, 30), False),
        ({"vocab_size": 67, "hidden_size": 256}, (37, 20), True),
        ({"vocab_size": 30, "hidden_size": 96, "embedding_size": 8, "layers": 3}, (5, 33), False),
        ({"vocab_size": 900, "hidden_size": 64, "embedding_size": 16}, (2, 7), False),
        ({"vocab_size": 5, "hidden_size": 32, "embedding_size": 4}, (1, 1), False),
        ({"vocab_size": 5, "hidden_size": 96, "embedding_size": 4}, (140, 3), False),
    ],
)
def test_logits_and_gradients_are_those_of_torch(
    compiled: Kernel, kind: Kind, sizes: dict[str, Any], shape: tuple[int, int], last: bool
) -> None:
    torch.manual_seed(1)
    model = enlarge(CharLSTM(**sizes).eval(), kind)
    codes = torch.randint(0, model.vocab_size, shape)
    logits, wanted = gradients(model, codes, bfloat16=False, last=last)
    fuse(model, compiled, kind)
    assert model.fused
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found_logits, found = gradients(model, codes, bfloat16=keeps_bfloat16(compiled, kind), last=last)
        limit = limit_of(kind, model, compiled)
        assert distance(found_logits, logits) < limit
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert distance(found[name], value) < limit, name


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ({"vocab_size": 92, "hidden_size": 256, "embedding_size": 64}, (16, 30)),
        ({"vocab_size": 67, "hidden_size": 96, "embedding_size": 8}, (5, 33)),
        ({"vocab_size": 900, "hidden_size": 64, "embedding_size": 16}, (2, 7)),
        ({"vocab_size": 1, "hidden_size": 32, "embedding_size": 4}, (1, 2)),
        ({"vocab_size": 33, "hidden_size": 416, "embedding_size": 4, "layers": 2}, (97, 3)),
    ],
)
@pytest.mark.parametrize("dropout", [NONE, Dropout(units=0.3)])
def test_losses_and_their_gradients_are_those_of_torch(
    compiled: Kernel, kind: Kind, sizes: dict[str, Any], shape: tuple[int, int], dropout: Dropout
) -> None:
    torch.manual_seed(1)
    model = enlarge(CharLSTM(**sizes, dropout=dropout), kind)
    codes = torch.randint(0, model.vocab_size, shape)
    loss, wanted = loss_gradients(model, codes, bfloat16=False)
    for bfloat16 in {False, keeps_bfloat16(compiled, kind)}:
        model.fuse(compiled, bfloat16=bfloat16, eight_bits=kind is Kind.EIGHT_BITS)
        # After few positions h is small, and rounded as its gates are, which aren't.
        eight = kind is Kind.EIGHT_BITS and compiled.bfloat16 is None
        limit = limit_of(kind, model, compiled) if bfloat16 or eight else 3 * EXACT
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found_loss, found = loss_gradients(model, codes, bfloat16=bfloat16)
            assert abs(found_loss - loss) < limit * max(1.0, loss)
            for name, value in wanted.items():
                assert float((found[name] - value).norm()) <= limit * float(value.norm()), name


@pytest.mark.parametrize("width", [16, 8])
def test_what_is_learned_without_autograd_is_what_it_finds(compiled: Kernel, kind: Kind, width: int) -> None:
    torch.manual_seed(1)
    dropout = Dropout(units=0.3, weights=0.2)
    model = CharLSTM(vocab_size=30, hidden_size=96, embedding_size=width, dropout=dropout)
    bfloat16 = keeps_bfloat16(compiled, kind) and kind is not Kind.BFLOAT16_TILES  # by AMX torch computes the loss
    carried = torch.randn(1, 5, 96) * 0.3, torch.randn(1, 5, 96) * 0.3
    first, second = torch.randint(0, 30, (2, 5, 33))
    for threads in (1, 3):
        model.fuse(compiled.with_threads(threads), bfloat16=bfloat16, eight_bits=kind is Kind.EIGHT_BITS)
        assert model.fused
        assert model.fused.learns(first, bfloat16=bfloat16)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            torch.manual_seed(4)
            loss, (h, c) = model.loss(first, first.roll(-1, 1), carried)
            loss.backward()  # type: ignore[no-untyped-call]
            wanted = {name: value.grad for name, value in model.named_parameters()}
            model.zero_grad()
            model.learn(second, second)
            torch.manual_seed(4)
            found_loss, (found_h, found_c) = model.learn(first, first.roll(-1, 1), carried)
        assert found_loss == pytest.approx(float(loss.detach()), rel=1e-7)
        assert_same({"h": h, "c": c}, {"h": found_h, "c": found_c})
        assert_same(wanted, {name: value.grad for name, value in model.named_parameters()})
        model.zero_grad()


def test_a_state_out_of_bounds_and_gradients_of_nothing_are_taken_in_eight_bits(compiled: Kernel) -> None:
    if not compiled.eight_bits:
        pytest.skip(f"{compiled.family.title} has no products of eight bits")
    model = CharLSTM(vocab_size=4, hidden_size=32, embedding_size=4)
    fuse(model, compiled, Kind.EIGHT_BITS)
    codes, c = torch.randint(0, 4, (5, 9)), torch.zeros(1, 5, 32)
    with torch.autocast("cpu", torch.bfloat16, enabled=compiled.bfloat16 is not None):
        bound, beyond = (model(codes, (torch.full_like(c, h), c))[1][0].detach() for h in (-1.0, -7.0))
        assert torch.equal(bound, beyond)
        with torch.no_grad():
            model.linear.weight.zero_()
            model.get_parameter("lstm.weight_hh_l0").zero_()
        model.learn(codes, codes)
    for name, value in model.named_parameters():
        assert value.grad is not None
        assert bool(torch.isfinite(value.grad).all()), name
        assert not (name.startswith("lstm") and value.grad.any()), name


def test_torch_has_one_thread_where_the_layer_computes_nearly_all(compiled: Kernel, kind: Kind) -> None:
    sizes: dict[str, Any] = {"vocab_size": 60, "hidden_size": 64, "embedding_size": 8}
    bfloat16, by_torch = keeps_bfloat16(compiled, kind), kind is Kind.BFLOAT16_TILES
    for more, positions, wanted in (
        ({}, 1000, 4 if by_torch else 1),
        ({"layers": 2}, 1000, 4),
        ({}, 100, 4),  # characters aren't looked up in a table
    ):
        model = CharLSTM(**(sizes | more))
        assert model.use_threads(4, positions=positions, bfloat16=bfloat16) == 4, "nn.LSTM"
        model.fuse(compiled, bfloat16=bfloat16)
        assert model.use_threads(4, positions=positions, bfloat16=bfloat16) == wanted
        assert model.kernel
        assert model.kernel.threads == 4
    assert compiled.threads == torch.get_num_threads(), "another model's number is its own"


def test_a_loss_without_numbers_isnt_a_number(compiled: Kernel) -> None:
    model = CharLSTM(vocab_size=20, hidden_size=32, embedding_size=4)
    model.fuse(compiled, bfloat16=False)
    codes = torch.randint(0, 20, (2, 5))
    for size, wanted in ((float("nan"), float("nan")), (float("inf"), float("nan")), (1e30, 1e30)):
        with torch.no_grad():
            model.linear.bias.zero_()[19] = size
        loss = float(model.loss(codes % 19, codes % 19)[0].detach())
        assert loss == pytest.approx(wanted, nan_ok=True), size


def test_a_rows_results_dont_depend_on_the_rows_beside_it_or_the_threads(compiled: Kernel, kind: Kind) -> None:
    torch.manual_seed(1)
    model = CharLSTM(vocab_size=40, hidden_size=64, embedding_size=16).eval()
    bfloat16 = keeps_bfloat16(compiled, kind)
    fuse(model, compiled, kind)
    codes = torch.randint(0, 40, (23, 50))
    ends = []
    for threads in (1, 2, 40):  # more than rows, and than processors
        torch.set_num_threads(threads)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            _, (h, c) = model(codes)
        ends.append({"h": h, "c": c})
    assert_same(ends[0], ends[1])
    assert_same(ends[0], ends[2])


def test_a_state_carried_on_is_the_state_of_one_long_sequence(compiled: Kernel) -> None:
    torch.manual_seed(1)
    model = CharLSTM(vocab_size=20, hidden_size=64, embedding_size=16, layers=2).eval()
    model.fuse(compiled, bfloat16=False)
    codes = torch.randint(0, 20, (3, 50))
    with torch.no_grad():
        whole, (h, c) = model(codes)
        whole = whole.clone()
        _, carried = model(codes[:, :20])
        rest, (later_h, later_c) = model(codes[:, 20:], carried)
    assert torch.equal(rest, whole[:, 20:])
    assert_same({"h": h, "c": c}, {"h": later_h, "c": later_c})


def test_extreme_sums_saturate_and_what_is_no_number_stays_none(compiled: Kernel, kind: Kind) -> None:
    model = CharLSTM(vocab_size=4, hidden_size=32, embedding_size=4).eval()
    bfloat16 = keeps_bfloat16(compiled, kind)
    fuse(model, compiled, kind)
    codes, bias = torch.tensor([[0, 1, 2, 3] * 4]), model.get_parameter("lstm.bias_ih_l0")
    for size, finite in ((1e4, True), (1e30, True), (float("nan"), False)):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            bias.fill_(size)
            _, (h, _) = model(codes)
            assert bool(torch.isfinite(h).all()) is finite
            if finite:  # all gates open: c counts the positions
                torch.testing.assert_close(h, torch.ones_like(h), rtol=0, atol=1e-6)
                bias.fill_(-size)
                assert model(codes)[1][0].abs().max() < 1e-6


def orthogonal(matrices: Tensor, compiled: Kernel | None = None, kind: Kind = Kind.FLOAT32) -> Tensor:
    """Return about the nearest orthogonal matrices, by torch's products if not by the layer's."""
    if compiled is not None:
        units = matrices.shape[1]
        weights = torch.zeros(len(matrices) * units, units)
        grads, averages = matrices.reshape(-1, units).contiguous(), torch.zeros_like(weights)
        # Nesterov momentum: what is made orthogonal is a multiple of the first gradient.
        clip = ClipArguments(None, 0, 1.0)
        compiled.run(muon_task(compiled, weights, grads, averages, size=-1.0, clip=clip, kind=kind))
        torch.testing.assert_close(averages, (1 - MOMENTUM) * grads)
        return weights.view(matrices.shape)
    x: Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-30)
    for number, (a, b, c) in enumerate(COEFFICIENTS):
        if number == 0:
            eighth_powers = (x.mT @ x @ x.mT @ x).norm(dim=(1, 2), keepdim=True)
            x = x / (1.03 * eighth_powers).clamp(min=1e-12) ** 0.25
        gram = x.mT @ x
        x = a * x + x @ (b * gram + c * gram @ gram)
    return x


@pytest.mark.parametrize("units", [32, 96, 416])
def test_orthogonal_matrices_are_those_of_torchs_products(compiled: Kernel, units: int) -> None:
    torch.manual_seed(1)
    matrices = torch.randn(3, units, units) * torch.logspace(0, -2, units)
    wanted, by_torch = orthogonal(matrices.double()), orthogonal(matrices)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(orthogonal(matrices, compiled))
    assert distance(found[0], wanted) < 2 * distance(by_torch, wanted) < 2e-5
    assert torch.equal(found[0], found[1])
    assert torch.equal(orthogonal(matrices[:1], compiled), found[0][:1])
    assert not orthogonal(torch.zeros(1, units, units), compiled).any()
    if compiled.bfloat16 is Kind.BFLOAT16:
        rounded = orthogonal(matrices, compiled, Kind.BFLOAT16)
        assert 0 < distance(rounded, wanted) < ROUNDED
        assert torch.equal(orthogonal(matrices[:1], compiled, Kind.BFLOAT16), rounded[:1])
        assert not orthogonal(torch.zeros(1, units, units), compiled, Kind.BFLOAT16).any()
