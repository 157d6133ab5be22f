"""A model extended by characters: which rows the new ones get, and that the others keep theirs."""

import torch

from shared.text.vocabulary import Vocabulary
from worker.nn.model import CharLSTM
from worker.training.extension import _RARER, extended


def test_new_characters_get_the_rows_of_their_closest_relatives() -> None:
    known = Vocabulary.of("abe\n")
    weights = CharLSTM(vocab_size=len(known), hidden_size=6, embedding_size=3).weights()
    found, vocabulary = extended(weights, known, Vocabulary.of("Aé☃b"))
    assert vocabulary == Vocabulary.of("abe\nAé☃")
    for name in ("embedding.weight", "linear.weight", "linear.bias"):
        rows = dict(zip(vocabulary.characters, found[name], strict=True))
        before = dict(zip(known.characters, weights[name], strict=True))
        off = _RARER if name == "linear.bias" else 0.0
        assert all(torch.equal(rows[character], before[character]) for character in known.characters)
        assert torch.equal(rows["A"], before["a"] - off)
        assert torch.equal(rows["é"], before["e"] - off)
        assert torch.allclose(rows["☃"], weights[name].mean(dim=0))
    others = weights.keys() - {"embedding.weight", "linear.weight", "linear.bias"}
    assert others
    assert all(found[name] is weights[name] for name in others)


def test_a_text_without_new_characters_changes_nothing() -> None:
    known = Vocabulary.of("ab")
    weights = CharLSTM(vocab_size=2, hidden_size=4, embedding_size=2).weights()
    found, vocabulary = extended(weights, known, Vocabulary.of("b"))
    assert vocabulary is known
    assert all(found[name] is value for name, value in weights.items())
