"""A model in memory, ready to write. Knows nothing of where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from torch import Tensor

from shared.requests.options import EmbeddingSize, HiddenSize, Layers, SeqLength
from shared.requests.recipes import RECIPES, Recipe, RecipeName
from shared.text.vocabulary import Vocabulary
from worker.generation.decoders import packed
from worker.nn.kernel.lanes import Packed
from worker.nn.model import CharLSTM


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What determines the shapes of a model's weights, and how it reads a text."""

    recipe: RecipeName
    hidden_size: HiddenSize
    layers: Layers
    #: 0 for classic.
    embedding_size: EmbeddingSize | Literal[0]
    #: Characters of truncated backpropagation; classic's window when it generates.
    seq_length: SeqLength
    #: Whether its corpus was lower-cased; its prompts are too.
    lowercase: bool

    def __post_init__(self) -> None:
        """Raise ValueError where the recipe can't have these sizes."""
        if bool(self.embedding_size) != self.kind.has_embedding:
            raise ValueError(f"embedding_size can't be {self.embedding_size} for {self.recipe}")

    @property
    def kind(self) -> Recipe:
        """The recipe it was trained by."""
        return RECIPES[self.recipe]


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model that can generate text."""

    sizes: Sizes
    vocabulary: Vocabulary
    module: CharLSTM
    #: The options of its training; of an imported model, what is known.
    params: Mapping[str, Any]

    @cached_property
    def packed(self) -> Packed | None:
        """The weights, packed once for the compiled decoders; None if they don't support the model."""
        return packed(self.module)


def assemble(
    sizes: Sizes, vocabulary: Vocabulary, weights: Mapping[str, Tensor], params: Mapping[str, Any]
) -> LoadedModel:
    """Build a model from weights that have been checked."""
    module = CharLSTM(
        vocab_size=len(vocabulary),
        hidden_size=sizes.hidden_size,
        layers=sizes.layers,
        embedding_size=sizes.embedding_size,
    )
    module.load_state_dict(dict(weights))
    module.eval()
    return LoadedModel(sizes=sizes, vocabulary=vocabulary, module=module, params=params)
