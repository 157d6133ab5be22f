"""Choosing characters by temperature, top-k and top-p."""

import numpy as np
import pytest
from numpy.typing import NDArray

from worker.nn.sampling import Options, Sampler

LOGITS = np.log(np.array([0.1, 0.4, 0.3, 0.2], dtype=np.float32))


def draw(logits: NDArray[np.float32], count: int, **options: float) -> NDArray[np.float64]:
    """Return how often each of the characters was chosen, as shares."""
    wanted = Options(**{"temperature": 1.0} | options)  # type: ignore[arg-type]
    sampler = Sampler(wanted, np.random.default_rng(5))
    chosen = [sampler.choose(logits) for _ in range(count)]
    return np.bincount(chosen, minlength=len(logits)) / count


def test_temperature_0_takes_the_likeliest_and_of_equals_the_first() -> None:
    assert draw(LOGITS, 10, temperature=0).tolist() == [0, 1, 0, 0]
    assert draw(np.array([0, 2, 2, 1], dtype=np.float32), 10, temperature=0).tolist() == [0, 1, 0, 0]


def test_shares_follow_the_softmax() -> None:
    # 20,000 draws, seed 5; four standard deviations are below 0.015.
    assert draw(LOGITS, 20_000) == pytest.approx([0.1, 0.4, 0.3, 0.2], abs=0.015)
    half = np.exp(LOGITS.astype(float) / 0.5)
    assert draw(LOGITS, 20_000, temperature=0.5) == pytest.approx(half / half.sum(), abs=0.015)


def test_top_k_keeps_the_k_likeliest() -> None:
    assert draw(LOGITS, 20_000, top_k=2) == pytest.approx([0, 4 / 7, 3 / 7, 0], abs=0.015)
    assert draw(LOGITS, 100, top_k=1).tolist() == [0, 1, 0, 0]
    assert draw(np.zeros(4, dtype=np.float32), 100, top_k=1).tolist() == [1, 0, 0, 0]
    assert draw(LOGITS, 20_000, top_k=99) == pytest.approx([0.1, 0.4, 0.3, 0.2], abs=0.015)


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    assert draw(LOGITS, 20_000, top_p=0.65) == pytest.approx([0, 4 / 7, 3 / 7, 0], abs=0.015)
    assert draw(LOGITS, 100, top_p=1e-9).tolist() == [0, 1, 0, 0]
    assert draw(LOGITS, 20_000, top_p=1) == pytest.approx([0.1, 0.4, 0.3, 0.2], abs=0.015)


def test_extreme_logits_and_temperatures_choose_a_character_that_is_possible() -> None:
    logits = np.array([-1e30, 80, -80, 3e38], dtype=np.float32)
    for temperature in (1e-12, 0.1, 1, 10):
        assert draw(logits, 200, temperature=temperature)[3] == 1


class AlwaysLast(np.random.Generator):
    """Draws the largest number below one."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, size: int) -> NDArray[np.float64]:  # type: ignore[override]
        return np.full(size, np.nextafter(1, 0))


def test_the_largest_draw_takes_the_last_possible_character() -> None:
    sampler = Sampler(Options(temperature=1.0, top_k=3), AlwaysLast())
    assert sampler.choose(np.array([3, 1, 2, 0], dtype=np.float32)) == 2


def test_numbers_drawn_together_are_those_drawn_one_by_one() -> None:
    together, apart = (Sampler(Options(temperature=1.0), np.random.default_rng(5)) for _ in range(2))
    drawn = np.concatenate([together.draw(count) for count in (3, 600, 1, 500, 0, 2000)])
    assert drawn.tolist() == [float(apart.draw(1)[0]) for _ in drawn]
