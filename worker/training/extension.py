"""Extends a `stream` model by characters that it doesn't know, so that it can be trained further on another text."""

import unicodedata
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from shared.text.vocabulary import Vocabulary

#: The tensors with a row for each character: its embedding, and the output layer's weights and bias.
_EMBEDDING, _WEIGHT, _BIAS = "embedding.weight", "linear.weight", "linear.bias"
#: Taken off the bias of a character that got a relative's rows, nats: it is the rarer one of the two. The best of five
#: values for the loss before the first step and after an epoch (bench/LOG.md).
_RARER: Final = 3.0


def extended(
    weights: Mapping[str, Tensor], known: Vocabulary, text: Vocabulary
) -> tuple[dict[str, Tensor], Vocabulary]:
    """Return the weights with rows for the characters of a text that the model doesn't know, and its new vocabulary.

    A new character takes its rows from the other case of its letter, else from its base letter (é: e), else it gets the
    mean of all rows. The known characters' rows stay as they are.

    Args:
        weights: of a `stream` model, by name; (V, E), (V, H) and (V,) are those with a row per character.
        known: the model's vocabulary, V characters.
        text: the text's vocabulary.
    """
    vocabulary = Vocabulary.of(known.characters + text.characters)
    if len(vocabulary) == len(known):
        return dict(weights), known
    found = dict(weights)
    for name in (_EMBEDDING, _WEIGHT, _BIAS):
        rows = weights[name]
        mean = rows.mean(dim=0)
        found[name] = torch.stack(
            [_row(rows, mean, known, character, bias=name == _BIAS) for character in vocabulary.characters]
        )
    return found, vocabulary


def _row(rows: Tensor, mean: Tensor, known: Vocabulary, character: str, *, bias: bool) -> Tensor:
    if character in known:
        return rows[known.encode(character)[0]]
    like = next((other for other in _relatives(character) if other in known), None)
    if like is None:
        return mean
    row = rows[known.encode(like)[0]]
    return row - _RARER if bias else row


def _relatives(character: str) -> tuple[str, ...]:
    """Return the characters that a character may resemble, the closest first."""
    base = unicodedata.normalize("NFD", character)[0]
    return character.swapcase(), base, base.swapcase()
