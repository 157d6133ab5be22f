"""Small models for the tests of writing and of files, their weights random but fixed."""

import torch

from shared.text.vocabulary import Vocabulary
from worker.generation.loaded import LoadedModel, Sizes, assemble
from worker.nn.model import CharLSTM
from worker.nn.randomness import seed_torch

CHARACTERS = "\n !,.abcdefghijklmnopqrstuvwxyz"


def small_model(
    recipe: str = "stream",
    *,
    characters: str = CHARACTERS,
    hidden_size: int = 32,
    layers: int = 1,
    seed: int = 1,
    sharpness: float = 8.0,
) -> LoadedModel:
    """Make a model whose choices are clear: its logits are spread by `sharpness`."""
    sizes = Sizes(
        recipe="stream" if recipe == "stream" else "classic",
        hidden_size=hidden_size,
        layers=layers,
        embedding_size=8 if recipe == "stream" else 0,
        seq_length=20,
        lowercase=True,
    )
    seed_torch(seed, "test")
    module = CharLSTM(
        vocab_size=len(characters), hidden_size=hidden_size, layers=layers, embedding_size=sizes.embedding_size
    )
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(sharpness)
    return assemble(sizes, Vocabulary(characters), module.weights(), {"recipe": recipe})
