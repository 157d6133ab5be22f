"""A model in memory, ready to write. Knows nothing of where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor

from shared.requests.recipes import RECIPES, Recipe, RecipeName
from shared.text.vocabulary import Vocabulary
from worker.generation.decoders import packed
from worker.nn.kernel.lanes import Packed
from worker.nn.model import CharLSTM


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a model's weights and its way of reading are shaped by."""

    recipe: RecipeName
    hidden_size: int
    layers: int
    #: 0 for classic.
    embedding_size: int
    #: Characters it looked back over when it learnt; classic's window when it writes.
    seq_length: int
    #: Whether its text was lower-cased: its prompts are too.
    lowercase: bool

    @property
    def kind(self) -> Recipe:
        """The recipe it was trained by."""
        return RECIPES[self.recipe]


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model that can write."""

    sizes: Sizes
    vocabulary: Vocabulary
    module: CharLSTM
    #: The options of the training that made it; of an imported one, what is known.
    params: Mapping[str, Any]

    @cached_property
    def packed(self) -> Packed | None:
        """The weights as the compiled decoders take them, arranged once; None where there are no such decoders."""
        return packed(self.module)


def assemble(
    sizes: Sizes, vocabulary: Vocabulary, weights: Mapping[str, Tensor], params: Mapping[str, Any]
) -> LoadedModel:
    """Build the model of these weights, which have been checked."""
    module = CharLSTM(
        vocab_size=len(vocabulary),
        hidden_size=sizes.hidden_size,
        layers=sizes.layers,
        embedding_size=sizes.embedding_size,
    )
    module.load_state_dict(dict(weights))
    module.eval()
    return LoadedModel(sizes=sizes, vocabulary=vocabulary, module=module, params=params)
