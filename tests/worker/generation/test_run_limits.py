"""Runs of one character that grow too long are cut; all else of a text is as it would have been."""

from itertools import groupby
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.text.vocabulary import Vocabulary
from tests.worker.generation.test_generate import PROMPT, write
from tests.worker.models import CHARACTERS, small_model
from worker.generation.limited_writer import LimitedWriter
from worker.generation.loaded import LoadedModel
from worker.generation.run_limits import Runs, run_limits
from worker.nn.kernel import load
from worker.nn.kernel.lanes import Lanes
from worker.nn.randomness import rng
from worker.nn.sampling import Options, Sampler


@pytest.mark.parametrize(
    ("max_run", "longest", "characters", "limits"),
    [
        (None, {"a": 66, "b": 12}, "abc", [66, 12, 8]),
        (None, {"a": 5}, "abc", [5, 5, 5]),
        (None, {}, "abc", [1, 1, 1]),
        (None, None, "abc", None),
        (None, {"a": 66}, "a", None),
        (0, {"a": 66}, "abc", None),
        (3, {"a": 66}, "abc", [3, 3, 3]),
        (3, None, "ab", [3, 3]),
    ],
)
def test_the_limit_is_the_one_given_or_the_corpus_s(
    max_run: int | None, longest: dict[str, int] | None, characters: str, limits: list[int] | None
) -> None:
    found = run_limits(max_run, longest, Vocabulary(characters))
    assert (None if found is None else found.tolist()) == limits


def blank_model(recipe: str, push: float) -> LoadedModel:
    """Make a model that hardly writes anything but blanks."""
    model = small_model(recipe)
    with torch.no_grad():
        model.module.linear.bias[CHARACTERS.index(" ")] += push
    return model


def longest_run(text: str, character: str) -> int:
    return max((len(list(run)) for one, run in groupby(text) if one == character), default=0)


@pytest.mark.parametrize("recipe", ["stream", "classic"])
@pytest.mark.parametrize(
    "options", [{"temperature": 0.0}, {"temperature": 0.7, "n": 3}, {"top_k": 1, "n": 2}, {"top_p": 0.5}]
)
def test_no_run_grows_longer_and_texts_are_unchanged_up_to_the_first_cut(recipe: str, options: dict[str, Any]) -> None:
    model = blank_model(recipe, 1000)
    free, limited = write(model, max_run=0, **options), write(model, max_run=5, **options)
    assert limited == write(model, max_run=5, **options)
    for one, other in zip(free, limited, strict=True):
        assert (longest_run(one.text, " "), one.runs_cut) == (60, 0)
        assert longest_run(PROMPT + other.text, " ") == 5
        assert other.text[:5] == one.text[:5]
        assert other.runs_cut == 10


@pytest.mark.skipif(load() is None, reason="no compiled kernel for this processor")
@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_the_compiled_decoders_cut_as_the_others_do(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"temperature": 0.9, "max_run": 2, "n": 3, "length": 150}
    compiled = write(blank_model(recipe, 8), **options)
    assert sum(output.runs_cut for output in compiled) > 10
    monkeypatch.setattr(LoadedModel, "packed", None)
    assert write(blank_model(recipe, 8), **options) == compiled


def test_the_prompt_s_last_run_counts() -> None:
    text = write(blank_model("stream", 1000), prompt="so     ", max_run=6, length=20)[0].text
    assert text[0] == " "
    assert text[1] != " "


@pytest.mark.parametrize("recipe", ["stream", "classic"])
def test_a_text_without_such_a_run_is_unchanged(recipe: str) -> None:
    for temperature in (0.5, 1.0):
        free = write(small_model(recipe), temperature=temperature, n=3, max_run=0)
        longest = max(longest_run(PROMPT + one.text, character) for one in free for character in CHARACTERS)
        assert write(small_model(recipe), temperature=temperature, n=3, max_run=longest) == free


def test_a_cut_behind_a_stop_string_does_not_count() -> None:
    assert write(blank_model("stream", 1000), max_run=5, stop=["   "])[0].runs_cut == 0


@given(
    logits=st.lists(st.floats(-5, 5, width=32, allow_subnormal=False), min_size=2, max_size=6),
    chosen=st.integers(0, 5),
    top_k=st.none() | st.integers(1, 4),
)
@settings(max_examples=50, deadline=None)
def test_another_character_has_its_probability_without_the_one_that_was_cut(
    logits: list[float], chosen: int, top_k: int | None
) -> None:
    # Given: all numbers that mean the chosen character, evenly.
    chosen %= len(logits)
    row = np.array(logits, np.float32)
    sampler = Sampler(Options(temperature=0.9, top_k=top_k), rng(1, "draws"))
    weights = sampler._weights(row)
    if not weights[chosen]:
        return
    sums = weights.cumsum()
    draws = (sums[chosen] - weights[chosen] + weights[chosen] * (np.arange(400) + 0.5) / 400) / sums[-1]
    # When
    counts = np.bincount([sampler.choose_other(row, chosen, draw) for draw in draws.tolist()], minlength=len(row))
    # Then
    weights[chosen] = 0
    if weights.any():
        assert np.abs(counts / 400 - weights / weights.sum()).max() <= 1 / 200
    else:
        likeliest = int(np.where(np.arange(len(row)) == chosen, -np.inf, row).argmax())
        assert counts[likeliest] == 400


class Chain:
    """Does what `Lanes` does, for a model that predicts from the last character and the number written."""

    def __init__(self, table: NDArray[np.float32], lanes: int) -> None:
        self._table, self._newest, self._steps = table, [0] * lanes, 0
        self._logits = np.zeros((lanes, len(table)), np.float32)

    def write(self, count: int, draws: NDArray[np.float64] | None) -> NDArray[np.int32]:
        assert draws is not None
        codes = np.empty((len(self._newest), count), np.int32)
        for place in range(count):
            for lane, newest in enumerate(self._newest):
                self._logits[lane] = np.roll(self._table[newest], self._steps % 2)
                number = draws[lane, place]
                weights = np.exp(self._logits[lane].astype(np.float64)).cumsum()
                codes[lane, place] = self._newest[lane] = int(weights.searchsorted(number * weights[-1], side="right"))
            self._steps += 1
        return codes

    def logits(self, lane: int) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = self._logits[lane]
        return logits

    def replace(self, lane: int, code: int) -> None:
        self._newest[lane] = code

    def save(self) -> tuple[list[int], int]:
        return list(self._newest), self._steps

    def restore(self, saved: tuple[list[int], int]) -> None:
        self._newest, self._steps = list(saved[0]), saved[1]


def by_characters(chain: Chain, limits: NDArray[np.int64], lanes: int, count: int) -> list[list[int]]:
    """Write one character at a time, each looked at before the next."""
    samplers = [Sampler(Options(temperature=1.0), rng(9, "draws", lane)) for lane in range(lanes)]
    runs = Runs(limits, np.array([0]), lanes)
    texts: list[list[int]] = [[] for _ in range(lanes)]
    for _ in range(count):
        draws = np.stack([sampler.draw(1) for sampler in samplers])
        for lane, code in enumerate(chain.write(1, draws)[:, 0].tolist()):
            if code == runs.banned(lane):
                code = samplers[lane].choose_other(chain.logits(lane), code, float(draws[lane, 0]))  # noqa: PLW2901
                chain.replace(lane, code)
            runs.add(lane, code)
            texts[lane].append(code)
    return texts


@given(seed=st.integers(0, 1000), lanes=st.integers(1, 4), bursts=st.lists(st.integers(1, 70), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_writing_in_bursts_cuts_as_writing_by_characters_does(seed: int, lanes: int, bursts: list[int]) -> None:
    table = (3 * rng(seed, "table").standard_normal((4, 4)) + 3 * np.eye(4)).astype(np.float32)
    limits = rng(seed, "limits").integers(1, 9, 4)
    samplers = [Sampler(Options(temperature=1.0), rng(9, "draws", lane)) for lane in range(lanes)]
    runs = Runs(limits, np.array([0]), lanes)
    writer, chain = LimitedWriter(runs), cast("Lanes", Chain(table, lanes))
    written = np.concatenate([writer.write(chain, samplers, count) for count in bursts], axis=1)
    assert written.tolist() == by_characters(Chain(table, lanes), limits, lanes, sum(bursts))
