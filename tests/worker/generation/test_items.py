"""Writing the items of a list: whole, unique and new ones, their log-probabilities, and when it ends."""

import re
from collections.abc import Container
from itertools import pairwise
from typing import Any

import pytest
import torch

from shared.requests.writing import GenerateRequest
from tests.worker.models import small_model
from worker.generation import items as module
from worker.generation.items import Counts, WrittenItem, log_probabilities, write_items
from worker.generation.known_items import KnownItems
from worker.generation.loaded import LoadedModel

#: Few characters: a random model soon repeats itself, and ends its items.
LETTERS = "\nabcde"


def few_letters(**options: Any) -> LoadedModel:
    return small_model(characters=LETTERS, sharpness=1.0, **options)


def write(model: LoadedModel, known: Container[str] | None = (), **options: Any) -> tuple[list[WrittenItem], Counts]:
    wanted = {"separator": "\n", "count": 50, "max_chars": 40}
    chosen = {name: options.pop(name) for name in ("temperature", "seed", "prompt", "max_run") if name in options}
    request = GenerateRequest.model_validate(
        {"model_id": "mod", "seed": 4, "temperature": 1.0, **chosen, "items": wanted | options}
    )
    assert request.items is not None
    found: list[WrittenItem] = []
    for batch in write_items(model, request, request.items, known):
        found += batch.items
    return found, batch.counts


def test_items_are_whole_unique_and_counted() -> None:
    items, counts = write(few_letters(), min_chars=2)
    texts = [item.text for item in items]
    assert len(set(texts)) == len(texts) == counts.written == 50
    assert all(2 <= len(text) <= 40 and "\n" not in text for text in texts)
    assert counts.finish_reason == "count"
    assert counts.tries == counts.written + counts.doubled + counts.short + counts.cut
    assert min(counts.doubled, counts.short) > 0


def test_repeated_items_stay_if_they_may() -> None:
    items, counts = write(few_letters(), unique=False, count=300)
    assert len({item.text for item in items}) == 300 - counts.doubled < 300 == counts.written


def test_known_items_are_marked_or_left_out() -> None:
    model = few_letters()
    free, counts = write(model)
    known = KnownItems(item.text for item in free[::2])
    marked, counted = write(model, known)
    assert [item.known for item in marked] == [True, False] * 25
    assert (counts.known, counted.known, counted.written) == (0, 25, 50)
    new, counts = write(model, known, new=True)
    assert [item.text for item in new][:25] == [item.text for item in free[1::2]]
    assert counts.known == 25
    assert len(new) == 50
    unknown, counts = write(model, None)
    assert {item.known for item in unknown} == {None}
    assert counts.known is None


def test_the_same_seed_writes_the_same_items_whatever_runs_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    model = few_letters()
    items, counts = write(model)
    torch.set_num_threads(2)
    assert write(model) == (items, counts)
    for lanes in (1, 3, 64):
        monkeypatch.setattr(module, "_MIN_LANES", lanes)
        monkeypatch.setattr(module, "_MAX_LANES", lanes)
        assert write(model) == (items, counts), lanes
    assert write(model, count=20)[0] == items[:20]
    assert write(model, seed=5)[0] != items


def test_log_probabilities_are_those_of_the_plain_loop() -> None:
    model = few_letters(layers=2)
    items = ["ab", "", "cab", "e" * 30]
    for item, found in zip(items, log_probabilities(model, items, "\n"), strict=True):
        codes, total, carried = model.vocabulary.encode(f"\n{item}\n"), 0.0, None
        for code, following in pairwise(codes):
            with torch.no_grad():
                logits, carried = model.module(torch.tensor([[code]]), carried)
            total += float(torch.log_softmax(logits[0, 0], -1)[following])
        assert found == pytest.approx(total, abs=1e-3), item
    assert all(item.logprob == log_probabilities(model, [item.text], "\n")[0] for item in write(model)[0])


def test_the_probabilities_of_all_short_items_are_as_often_as_they_are_written() -> None:
    items, _ = write(few_letters(), unique=False, count=1500)
    for text in ("a", "b"):
        share = sum(item.text == text for item in items) / 1500
        logprob = next(item.logprob for item in items if item.text == text)
        empty = log_probabilities(few_letters(), [""], "\n")[0]  # none is written without a character
        expected = torch.tensor(logprob).exp() / (1 - torch.tensor(empty).exp())
        assert share == pytest.approx(float(expected), abs=0.04)


def test_runs_of_one_character_are_limited_as_in_texts() -> None:
    model = few_letters()
    free, _ = write(model, max_run=0)
    assert any("aaa" in item.text for item in free)
    limited, _ = write(model, max_run=2)
    assert not [item.text for item in limited if re.search(r"(.)\1\1", item.text)]


def test_a_prompt_begins_each_item() -> None:
    items, _ = write(few_letters(), prompt="ab", max_chars=12)
    assert {item.text[:2] for item in items} == {"ab"}
    assert max(len(item.text) for item in items) <= 12


@pytest.mark.parametrize(
    ("likely", "options", "reason", "words"),
    [
        ({"a": 9}, {"temperature": 0, "count": 3}, "exhausted", "^0 of 3 items .* Of 1,000 tries 1,000 had no end"),
        ({"\n": 9}, {"temperature": 0, "prompt": "a", "count": 3}, "exhausted", "^1 of 3 .* 1,000 repeated"),
        ({}, {"max_chars": 1, "count": 20}, "exhausted", "^5 of 20 items were written: .* 5?.* had no end"),
        ({"e": -50}, {"separator": "ee", "max_chars": 10}, "exhausted", "^0 of 50 .*had no end"),
        ({}, {"min_chars": 40}, "exhausted", "were too short"),
        ({}, {"count": 1}, "count", "^All items were written"),
    ],
)
def test_it_ends_with_what_there_is_and_says_why(
    likely: dict[str, float], options: dict[str, Any], reason: str, words: str
) -> None:
    model = few_letters()
    with torch.no_grad():
        for letter, more in likely.items():
            model.module.linear.bias[LETTERS.index(letter)] += more
    items, counts = write(model, **options)
    assert counts.finish_reason == reason
    assert len(items) == counts.written
    assert re.search(words, counts.detail(options.get("count", 50))), counts.detail(options.get("count", 50))


def test_known_items_are_found_exactly() -> None:
    known = KnownItems(["ab", "ab", "c"])
    assert "ab" in known
    assert "c" in known
    assert "a" not in known
    assert "" not in KnownItems([])
