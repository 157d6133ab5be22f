"""Tries a base on a sample of a text: its loss there, and that of counts of letter pairs. Knows numpy, not torch.

A base that reads a text better than its letter pairs predict it knows the text's language.
"""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from shared.text.vocabulary import BOM

Weights = Mapping[str, NDArray[np.float32]]

#: A sample has blocks from at most this many places of the text, and one per this many characters.
MAX_BLOCKS, CHARS_PER_BLOCK, MAX_BLOCK_CHARS = 16, 1000, 4_000
#: Characters of each block that are predicted, and of these how many only warm the state up.
PREDICTED, WARM_UP = 128, 32
#: Weight of the single letters' counts in those of the pairs, in counts.
_SMOOTHING = 5.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Passages to predict, all of one length, and the text around them."""

    passages: Sequence[str]
    counted: Sequence[str]


def sample(path: Path, *, chars: int, lowercase: bool) -> Sample:
    """Read a sample of a stored text (UTF-8) of this many characters, from places that are evenly spread."""
    blocks = max(1, min(MAX_BLOCKS, chars // CHARS_PER_BLOCK))
    size = path.stat().st_size
    read: list[str] = []
    with path.open("rb") as file:
        for place in range(blocks):
            file.seek(size * place // blocks)
            content = file.read(min(size // blocks, 4 * MAX_BLOCK_CHARS))
            text = content.decode("utf-8", "ignore").lstrip(BOM)[:MAX_BLOCK_CHARS]
            read.append(text.lower() if lowercase else text)
    length = min(PREDICTED, *(len(text) // 2 for text in read))
    return Sample(passages=[text[:length] for text in read], counted=[text[length:] for text in read])


def read_weights(path: Path) -> Weights:
    """Read a model's weights. Raises OSError, and ValueError if the file is damaged."""
    try:
        return load_file(path)
    except SafetensorError as exc:
        raise ValueError(f"{path.name} is damaged: {exc}") from exc


def loss(weights: Weights, vocabulary: str, sample: Sample) -> float:
    """Return a `stream` model's mean loss on the passages after their first characters, nats per character.

    Args:
        weights: by the names of worker/nn/model.py.
        vocabulary: its characters, in the order of their indices. A character that isn't among them counts as guessed
            by chance.
        sample: of the text.
    """
    codes = _codes(vocabulary, sample.passages)
    embedding = weights["embedding.weight"]
    rows = np.vstack([embedding, embedding.mean(axis=0)])  # the last one stands for unknown characters
    layers = sum(name.startswith("lstm.weight_hh") for name in weights)
    units = weights["lstm.weight_hh_l0"].shape[1]
    h = [np.zeros((len(codes), units), np.float32) for _ in range(layers)]
    c = [np.zeros((len(codes), units), np.float32) for _ in range(layers)]
    total, count, by_chance = 0.0, 0, math.log(len(vocabulary) + 1)
    for place in range(codes.shape[1] - 1):
        x = rows[codes[:, place]]
        for layer in range(layers):
            x, c[layer] = _cell(weights, layer, x, h[layer], c[layer])
            h[layer] = x
        if place + 1 >= min(WARM_UP, codes.shape[1] - 1):
            logits = x @ weights["linear.weight"].T + weights["linear.bias"]
            logits -= logits.max(axis=1, keepdims=True)
            target = codes[:, place + 1]
            known = target < len(vocabulary)
            losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(codes)), target * known]
            total += float(np.where(known, losses, by_chance).sum())
            count += len(codes)
    return total / count if count else by_chance


def pairs_loss(sample: Sample) -> float:
    """Return the loss of the text's own letter pairs on the same characters, counted in the text around them."""
    singles: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    firsts: Counter[str] = Counter()
    for text in sample.counted:
        singles.update(text)
        pairs.update(itertools.pairwise(text))
        firsts.update(text[:-1])
    kinds, all_singles = len(singles) + 1, singles.total()
    total, count = 0.0, 0
    for passage in sample.passages:
        begin = min(WARM_UP, len(passage) - 1)
        for before, character in zip(passage[begin - 1 : -1], passage[begin:], strict=True):
            single = (singles[character] + 0.5) / (all_singles + 0.5 * kinds)
            pair = (pairs[before, character] + _SMOOTHING * single) / (firsts[before] + _SMOOTHING)
            total -= math.log(pair)
            count += 1
    return total / count if count else math.inf


def _codes(vocabulary: str, passages: Sequence[str]) -> NDArray[np.int64]:
    index = {character: place for place, character in enumerate(vocabulary)}
    unknown = len(vocabulary)
    return np.array([[index.get(character, unknown) for character in passage] for passage in passages], np.int64)


def _cell(
    weights: Weights, layer: int, x: NDArray[np.float32], h: NDArray[np.float32], c: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return h and c of one layer after one more character, as torch.nn.LSTM computes them."""
    sums = x @ weights[f"lstm.weight_ih_l{layer}"].T + h @ weights[f"lstm.weight_hh_l{layer}"].T
    sums += weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"]
    entered, kept, cell, shown = np.split(sums, 4, axis=1)
    c = _sigmoid(kept) * c + _sigmoid(entered) * np.tanh(cell)
    return _sigmoid(shown) * np.tanh(c), c


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.float32(0.5) * (np.tanh(np.float32(0.5) * x) + np.float32(1))
    return found
