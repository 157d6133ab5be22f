"""How the two recipes differ, for all code that asks: pages, estimates, file formats, generation. Knows no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RecipeName = Literal["stream", "classic"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The properties of a recipe."""

    name: RecipeName
    #: True: a text is read through windows of `seq_length` characters, each from a zero state and with one target, the
    #: character after it; evaluated over all windows. False: every position is a target, and the state is carried on.
    is_windowed: bool
    #: A U+FEFF at the beginning of a text is dropped.
    drops_bom: bool
    #: Characters are read through an embedding, not as one number each.
    has_embedding: bool
    #: Its models can be bases.
    has_bases: bool
    #: Square matrices may be updated by Muon.
    may_take_muon: bool
    #: The metric that the best epoch is chosen by.
    loss_metric: str
    #: Formats in which its models can be downloaded.
    formats: tuple[str, ...]

    def window(self, seq_length: int) -> int | None:
        """Return how many characters the next one is predicted from; None where the state is carried on."""
        return seq_length if self.is_windowed else None

    def targets(self, *, batch_size: int, seq_length: int) -> int:
        """Return how many characters one batch predicts."""
        return batch_size if self.is_windowed else batch_size * seq_length

    def min_chars(self, *, batch_size: int, seq_length: int) -> int:
        """Return the length of the shortest text that one batch can be cut from."""
        return seq_length + 1 if self.is_windowed else 2 * batch_size


STREAM = Recipe(
    name="stream",
    is_windowed=False,
    drops_bom=True,
    has_embedding=True,
    has_bases=True,
    may_take_muon=True,
    loss_metric="validation_loss",
    formats=("bundle",),
)
CLASSIC = Recipe(
    name="classic",
    is_windowed=True,
    drops_bom=False,
    has_embedding=False,
    has_bases=False,
    may_take_muon=False,
    loss_metric="evaluation_loss",
    formats=("bundle", "pth"),
)
#: By name, the default first.
RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in (STREAM, CLASSIC)}
