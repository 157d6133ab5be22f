"""The decoders without the compiled kernel choose what a plain loop chooses, on every processor."""

import numpy as np
import pytest
import torch

from tests.worker.models import small_model
from worker.generation import fallback_decoders
from worker.generation.fallback_decoders import (
    FallbackDecoder,
    FallbackSingleDecoder,
    FallbackStatefulDecoder,
    FallbackWindowDecoder,
    fallback_decoder,
)
from worker.nn.model import CharLSTM
from worker.nn.randomness import rng
from worker.nn.sampling import Options, Sampler

PROMPT = rng(2, "prompt").integers(0, 31, 40)


@pytest.fixture(autouse=True)
def one_torch_thread() -> None:
    torch.set_num_threads(1)


def sampler(lane: int) -> Sampler:
    return Sampler(Options(temperature=0.9), rng(3, "variant", lane))


def plain_loop(model: CharLSTM, lane: int, count: int, *, window: int | None) -> list[int]:
    """Return what a lane chooses, all characters (or the last `window`) read again for each one."""
    chooser = sampler(lane)
    codes: list[int] = PROMPT.tolist()
    with torch.no_grad():
        for _ in range(count):
            codes.append(chooser.choose(model.last(torch.tensor([codes[-(window or 1000) :]]))[0].numpy()))
    return codes[len(PROMPT) :]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    ("lanes", "window", "kind"),
    [(1, None, FallbackSingleDecoder), (4, None, FallbackStatefulDecoder), (4, 15, FallbackWindowDecoder)],
)
def test_each_writes_what_the_plain_loop_writes(
    lanes: int, window: int | None, kind: type[FallbackDecoder], layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a prompt that takes several calls.
    monkeypatch.setattr(fallback_decoders, "PROMPT_PIECE", 16)
    model = small_model("classic" if window else "stream", layers=layers).module
    expected = [plain_loop(model, lane, 25, window=window) for lane in range(lanes)]
    decoder = fallback_decoder(model, [sampler(lane) for lane in range(lanes)], window=window)
    assert type(decoder) is kind
    # When: some lanes are dropped and the rest reordered.
    assert len(list(decoder.read(PROMPT))) == (0 if window else 3)
    first = decoder.write(10)
    kept = [lane for lane in (2, 0, 3) if lane < lanes]
    decoder.keep(kept)
    second = np.concatenate([decoder.write(count) for count in (1, 14)], axis=1)
    # Then
    assert first.tolist() == [text[:10] for text in expected]
    assert second.tolist() == [expected[lane][10:] for lane in kept]


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        list(fallback_decoder(small_model().module, [sampler(0)], window=None).read(PROMPT[:0]))
