"""Where a model comes from and what came of it: the models it began from, and those that began from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.volume import Model, Models

#: Longest line that is followed back.
_MAX_ANCESTORS = 20
#: Newest models among which descendants are looked for.
_MAX_LOOKED_AT = 200


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """A model's line."""

    #: From the first one on, the model's own parent last.
    ancestors: Sequence[Model]
    #: The line goes on before the first ancestor, in a model that is deleted.
    broken: bool
    children: Sequence[Model]


def trace(models: Models, model: Model) -> Lineage:
    """Return where a model comes from, and which models began from it."""
    ancestors: list[Model] = []
    parent_id = model.parent_model_id
    while parent_id is not None and len(ancestors) < _MAX_ANCESTORS:
        parent = models.find(parent_id)
        if parent is None:
            break
        ancestors.insert(0, parent)
        parent_id = parent.parent_model_id
    newest, _ = models.list(after=None, limit=_MAX_LOOKED_AT)
    children = [one for one in newest if one.parent_model_id == model.id]
    return Lineage(ancestors=ancestors, broken=parent_id is not None, children=children)
