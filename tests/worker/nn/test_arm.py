"""The layer for ARM, cross-compiled and emulated: it computes what torch does, and the bits of AVX2's."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.worker.nn.emulation import EmulatedKernel
from tests.worker.nn.test_kernel import (
    AVX_VNNI,
    EIGHT,
    EXACT,
    ROUNDED,
    distance,
    enlarge,
    gradients,
    loss_gradients,
    orthogonal,
)
from worker.generation import decoders
from worker.generation.decoders import decoder_for, packed
from worker.nn.dropout import Dropout
from worker.nn.kernel import Kernel
from worker.nn.kernel.compilation import FAMILIES, Family, processor_flags
from worker.nn.kernel.structures import Kind
from worker.nn.model import CharLSTM
from worker.nn.optimizer import Optimizer
from worker.nn.randomness import rng
from worker.nn.sampling import Options, Sampler

NEON, NEON_DOT, NEON_BF16, AVX2 = (
    next(family for family in FAMILIES if family.name == name) for name in ("neon", "neon-dot", "neon-bf16", "avx2")
)


@pytest.fixture(scope="module")
def neon() -> Kernel:
    return EmulatedKernel(NEON)


@pytest.fixture(scope="module")
def neon_dot() -> Kernel:
    return EmulatedKernel(NEON_DOT)


@pytest.fixture(scope="module")
def neon_bf16() -> Kernel:
    return EmulatedKernel(NEON_BF16, ("lstm.c", "muon.c", "output.c", "pack.c"))


@pytest.fixture(scope="module")
def avx2() -> Kernel | None:
    return Kernel(AVX2) if processor_flags().issuperset(AVX2.needs) else None


def model(**sizes: Any) -> CharLSTM:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    return CharLSTM(**sizes).eval()


@pytest.mark.parametrize(
    ("sizes", "shape", "last"),
    [
        ({"vocab_size": 30, "hidden_size": 96, "embedding_size": 8, "layers": 2}, (7, 5), False),
        ({"vocab_size": 900, "hidden_size": 64}, (3, 6), True),
    ],
)
def test_logits_and_gradients_are_torchs_and_bit_for_bit_those_of_avx2(
    neon: Kernel, avx2: Kernel | None, sizes: dict[str, Any], shape: tuple[int, int], last: bool
) -> None:
    made = model(**sizes)
    codes = torch.randint(0, made.vocab_size, shape)
    logits, wanted = gradients(made, codes, bfloat16=False, last=last)
    made.fuse(neon, bfloat16=False)
    found_logits, found = gradients(made, codes, bfloat16=False, last=last)
    assert distance(found_logits, logits) < EXACT
    assert max(distance(found[name], value) for name, value in wanted.items()) < EXACT
    if avx2 is not None:
        made.fuse(avx2, bfloat16=False)
        same_logits, same = gradients(made, codes, bfloat16=False, last=last)
        assert torch.equal(found_logits, same_logits)
        assert [name for name in same if not torch.equal(found[name], same[name])] == []


@pytest.mark.parametrize(
    ("sizes", "shape", "last"),
    [
        ({"vocab_size": 30, "hidden_size": 96, "embedding_size": 8, "layers": 2}, (7, 9), False),
        ({"vocab_size": 900, "hidden_size": 64}, (3, 6), True),
    ],
)
def test_products_of_bfloat16_come_to_the_same_within_their_rounding(
    neon_bf16: Kernel, sizes: dict[str, Any], shape: tuple[int, int], last: bool
) -> None:
    made = model(**sizes)
    codes = torch.randint(0, made.vocab_size, shape)
    logits, wanted = gradients(made, codes, bfloat16=False, last=last)
    made.fuse(neon_bf16, bfloat16=True)
    assert made.fused
    found_logits, found = gradients(made, codes, bfloat16=True, last=last)
    assert 0 < distance(found_logits, logits) < ROUNDED
    far = {name: distance(found[name], value) for name, value in wanted.items()}
    assert max(far.values()) < ROUNDED, far


def test_losses_and_their_gradients_are_torchs_and_bit_for_bit_those_of_avx2(neon: Kernel, avx2: Kernel | None) -> None:
    made = model(vocab_size=70, hidden_size=96, embedding_size=8)
    codes = torch.randint(0, 70, (3, 35))
    loss, wanted = loss_gradients(made, codes, bfloat16=False)
    made.fuse(neon, bfloat16=False)
    found_loss, found = loss_gradients(made, codes, bfloat16=False)
    assert abs(found_loss - loss) < EXACT
    assert max(distance(found[name], value) for name, value in wanted.items()) < EXACT
    if avx2 is not None:
        made.fuse(avx2, bfloat16=False)
        same_loss, same = loss_gradients(made, codes, bfloat16=False)
        assert found_loss == same_loss
        assert [name for name in same if not torch.equal(found[name], same[name])] == []


def test_losses_by_products_of_bfloat16_come_to_the_same_within_their_rounding(neon_bf16: Kernel) -> None:
    made = model(vocab_size=70, hidden_size=96, embedding_size=8)
    codes = torch.randint(0, 70, (3, 35))
    loss, wanted = loss_gradients(made, codes, bfloat16=False)
    made.fuse(neon_bf16, bfloat16=True)
    found_loss, found = loss_gradients(made, codes, bfloat16=True)
    assert 0 < abs(found_loss - loss) < ROUNDED
    assert all(distance(found[name], value) < ROUNDED for name, value in wanted.items())


@pytest.mark.parametrize("family", ["neon_dot", "neon_bf16"])
def test_products_of_eight_bits_come_to_the_same_within_their_rounding(
    request: pytest.FixtureRequest, family: str
) -> None:
    kernel: Kernel = request.getfixturevalue(family)
    bfloat16 = kernel.bfloat16 is not None
    made = enlarge(model(vocab_size=70, hidden_size=160, embedding_size=8), Kind.EIGHT_BITS)
    codes = torch.randint(0, 70, (7, 35))
    loss, wanted = loss_gradients(made, codes, bfloat16=False)
    for threads in (1, 2):
        made.fuse(kernel.with_threads(threads), bfloat16=bfloat16, eight_bits=True)
        found_loss, found = loss_gradients(made, codes, bfloat16=bfloat16)
        assert 0 < abs(found_loss - loss) < EIGHT * loss
        far = {name: distance(found[name], value) for name, value in wanted.items()}
        assert max(far.values()) < EIGHT, far


def test_sums_saturate_in_bfloat16(neon_bf16: Kernel) -> None:
    made = model(vocab_size=4, hidden_size=32, embedding_size=4)
    made.fuse(neon_bf16, bfloat16=True)
    codes, bias = torch.tensor([[0, 1, 2, 3]]), made.get_parameter("lstm.bias_ih_l0")
    for size, h in ((1e30, 1.0), (-1e30, 0.0), (float("nan"), float("nan"))):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            bias.fill_(size)
            found = made(codes)[1][0]
        torch.testing.assert_close(found, torch.full((1, 1, 32), h), equal_nan=True, atol=1e-3, rtol=0)


def test_sums_saturate_what_is_no_number_stays_none_and_what_vanishes_is_zero(neon: Kernel) -> None:
    made = model(vocab_size=4, hidden_size=32, embedding_size=4)
    made.fuse(neon, bfloat16=False)
    codes, bias = torch.tensor([[0, 1, 2, 3]]), made.get_parameter("lstm.bias_ih_l0")
    for size, h in ((1e30, 1.0), (-1e30, 0.0), (float("nan"), float("nan"))):
        with torch.no_grad():
            bias.fill_(size)
            torch.testing.assert_close(made(codes)[1][0], torch.full((1, 1, 32), h), equal_nan=True, atol=1e-3, rtol=0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()  # every gate is half open, so c, just above the least normal number, is halved
        c = made(codes[:, :1], (torch.zeros(1, 1, 32), torch.full((1, 1, 32), 1.5e-38)))[1][1]
    assert torch.equal(c, torch.zeros(1, 1, 32))


@pytest.mark.parametrize(("family", "same"), [(NEON, AVX2), (NEON_DOT, AVX_VNNI)], ids=["float32", "eight bits"])
def test_a_step_is_bit_for_bit_that_of_avx2(neon: Kernel, neon_dot: Kernel, family: Family, same: Family) -> None:
    if not processor_flags().issuperset(same.needs):
        pytest.skip(f"this processor has no {same.title}")
    made = []
    for kernel in (neon if family is NEON else neon_dot, Kernel(same)):
        torch.manual_seed(1)
        one = CharLSTM(vocab_size=20, hidden_size=64, embedding_size=8, dropout=Dropout(units=0.3, weights=0.2))
        one.fuse(kernel.with_threads(2), bfloat16=False, eight_bits=family is NEON_DOT)
        torch.manual_seed(2)
        codes = torch.randint(0, 20, (3, 30))
        one.learn(codes, codes.roll(-1, 1))
        Optimizer(one, muon=True, bfloat16=False, kernel=one.kernel).step(0.01, max_norm=0.1)
        made.append(one.state_dict())
    assert [name for name, value in made[0].items() if not torch.equal(value, made[1][name])] == []


def test_orthogonal_matrices_are_those_of_avx2(neon: Kernel, avx2: Kernel | None) -> None:
    if avx2 is None:
        pytest.skip(f"this processor has no {AVX2.title}")
    matrices = torch.randn(1, 224, 224, generator=torch.Generator().manual_seed(1))
    assert torch.equal(*(orthogonal(matrices, one) for one in (neon, avx2)))


def test_matrices_are_orthogonal_by_products_of_bfloat16(neon_bf16: Kernel) -> None:
    matrices = torch.randn(1, 96, 96, generator=torch.Generator().manual_seed(1))
    found = orthogonal(matrices, neon_bf16, Kind.BFLOAT16)
    assert 0 < distance(found, orthogonal(matrices)) < ROUNDED


@pytest.mark.parametrize(
    ("sizes", "window", "options"),
    [
        ({"hidden_size": 32, "embedding_size": 8, "layers": 2}, None, Options(temperature=0.9, top_k=20, top_p=0.9)),
        ({"hidden_size": 288, "embedding_size": 8}, None, Options(temperature=0)),
        ({"hidden_size": 32}, 12, Options(temperature=0.9)),
    ],
    ids=["two layers", "eight bits", "window"],
)
def test_texts_are_those_of_avx2(
    neon: Kernel, neon_dot: Kernel, avx2: Kernel | None, monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int],
    window: int | None, options: Options,
) -> None:  # fmt: skip
    if avx2 is None:
        pytest.skip(f"this processor has no {AVX2.title}")
    made = model(vocab_size=40, **sizes)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(4.0)
    texts: list[NDArray[np.int32]] = []
    for one in (neon, neon_dot, avx2):
        monkeypatch.setattr(decoders, "load", lambda one=one: one)
        samplers = [Sampler(options, rng(3, "variant", index)) for index in range(3)]
        decoder = decoder_for(made, packed(made), samplers, window=window, length=30)
        assert all(pause is None for pause in decoder.read(rng(2, "prompt").integers(0, 40, 9)))
        texts.append(np.concatenate([decoder.write(4), decoder.write(8)], axis=1))
    assert all((text == texts[0]).all() for text in texts)
    assert len(np.unique(texts[0])) > 5
