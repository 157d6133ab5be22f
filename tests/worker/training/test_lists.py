"""Training on a list: items are shuffled, whole ones are held out, and a resumed training stays exact."""

from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn import functional

from shared.text.items import ModelItems
from shared.text.text_stream import _PART_CHARS
from tests.worker.short_trainings import assert_same, rows, run, stream
from worker.nn.model import CharLSTM
from worker.training.data import encode, survey
from worker.training.events import Done
from worker.training.lists import Listing, cut, held_out
from worker.training.stream import Stream
from worker.training.train import train

NAMES = [f"{first}{last}{number % 7}" for number in range(40) for first in ("an", "be") for last in ("na", "rta", "l")]
TEXT = "\n".join(NAMES) + "\n"
LIST = {"items": {"separator": "\n"}, "validation_fraction": 0.1, "batch_size": 2}


def read(text: str, separator: str = "\n") -> tuple[Listing, np.ndarray, str]:
    listing = Listing(separator)
    found = survey(listing.read([text]))
    return listing, encode(listing.read([text]), found.vocabulary, chars=found.chars), found.vocabulary.characters


def test_an_epoch_is_all_items_to_train_on_in_an_order_of_its_own() -> None:
    listing, codes, characters = read(TEXT)
    parts = cut(codes, listing, stream(**LIST), seed=3)
    chunks = parts.chunks
    held = "".join(characters[code] for code in parts.read[parts.part.starts[0] :]).split("\n")[:-1]
    orders = []
    for epoch in (0, 1):
        places = np.arange(chunks._size)[None]
        epoch_text = "".join(characters[code] for code in chunks._read(epoch, places)[0])
        orders.append(epoch_text.split("\n")[:-1])
    # Given an epoch and what is held out: together they are the list, and equal items are on one side.
    assert Counter(orders[0]) == Counter(orders[1])
    assert Counter(orders[0]) + Counter(held) == Counter(NAMES)
    assert held
    assert not set(held) & set(orders[0])
    assert len({*map(tuple, orders), tuple(item for item in NAMES if item not in held)}) == 3


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_an_item_is_held_out_by_its_hash_alone(fraction: float) -> None:
    hashes = np.random.default_rng(1).integers(2**64, size=20_000, dtype=np.uint64)
    lengths = np.full(20_000, 8, dtype=np.uint32)
    held = held_out(lengths, hashes, fraction=fraction, needed=1)
    assert held.mean() == pytest.approx(fraction, rel=0.1)
    assert (held[:500] == held_out(lengths[:500], hashes[:500], fraction=fraction, needed=1)).all()


def test_an_item_that_is_most_of_the_text_is_trained_on() -> None:
    hashes = np.array([0, 5, 5, *[2**63] * 97], dtype=np.uint64)
    lengths = np.array([10_000, *[10] * 99], dtype=np.uint32)
    held = held_out(lengths, hashes, fraction=0.1, needed=1)
    assert np.flatnonzero(held).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "separator", "items"),
    [
        ("one item " * 200, "\n", ModelItems(separator="\n", count=1, unique=1)),
        ("equal\n" * 300, "\n", ModelItems(separator="\n", count=300, unique=1)),
        ("a\n\nb\n%\nc" * 300, "\n%\n", ModelItems(separator="\n%\n", count=301, unique=3)),
        (("x" * 500 + "\n") * 3 + TEXT, "\n", ModelItems(separator="\n", count=243, unique=43)),
    ],
    ids=["one item", "equal items", "blank lines within items", "items longer than seq_length"],
)
def test_unusual_lists_are_trained_on(text: str, separator: str, items: ModelItems) -> None:
    _, done = run(stream(**LIST | {"items": {"separator": separator}, "epochs": 1}), text)
    assert done.items == items
    assert np.isfinite(done.losses.train or np.nan)


def test_a_separator_is_brought_into_the_form_of_the_text() -> None:
    request = stream(**LIST | {"items": {"separator": "\r\nEnd\r\n"}, "lowercase": True, "epochs": 1})
    _, done = run(request, TEXT.upper().replace("\n", "\nEnd\n"))
    assert done.items == ModelItems(separator="\nend\n", count=240, unique=42)


def test_a_resumed_training_on_a_list_is_exact() -> None:
    request = stream(**LIST)
    _, whole = run(request, TEXT)
    halfway = None
    for event in train(request, TEXT, threads=1):
        if event.step * 2 >= whole.step and halfway is None and not isinstance(event, Done):
            halfway = event.state()
    _, resumed = run(request, lambda: [TEXT[:100], TEXT[100:]], state=halfway)
    assert_same(whole.weights, resumed.weights)
    assert rows(whole.metrics) == rows(resumed.metrics)


def test_a_list_is_read_in_pieces() -> None:
    listing = Listing("\n")
    pieces = list(listing.read(["item\n" * 10] * (_PART_CHARS // 10)))
    assert max(map(len, pieces)) < _PART_CHARS
    assert sum(map(len, pieces)) == int(listing.lengths.sum())


def test_a_row_that_begins_with_a_separator_starts_from_a_zero_state() -> None:
    text = TEXT.replace("\n", "\n%\n")
    listing, codes, characters = read(text, "\n%\n")
    request = stream(**LIST | {"seq_length": 5})
    model = CharLSTM(vocab_size=len(characters), hidden_size=24, layers=1, embedding_size=8)
    recipe = Stream(request, model, codes, seed=3, bfloat16=False, listing=listing)
    some, none = 0, 0
    for batch in range(recipe.batches):
        inputs, targets = recipe._chunks.training(0, batch)
        found = recipe._chunks.begins(0, batch)
        assert found is not None
        first = ["".join(characters[code] for code in row[:3]) for row in inputs]
        assert found.tolist() == [begin == "\n%\n" for begin in first]
        some, none = some + int(found.sum()), none + int((~found).sum())
        recipe._carried = (torch.ones(1, 2, 24), torch.ones(1, 2, 24))
        [(loss, _)] = recipe.train_batch(0, batch)
        ones = torch.from_numpy(np.where(found[:, None], 0.0, 1.0)).float().expand(1, 2, 24)
        with torch.no_grad():
            logits, _ = model(inputs, (ones, ones))
        mean = float(functional.cross_entropy(logits.flatten(0, 1), targets.flatten()))
        assert loss == pytest.approx(mean * targets.numel())
    assert 0 < some < none
