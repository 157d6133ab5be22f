"""A model's lineage: the models whose weights it started from, and those that started from its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.volume import Model, Models

#: Most ancestors that are followed.
_MAX_ANCESTORS = 20
#: Newest models that are searched for children.
_MAX_LOOKED_AT = 200


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """A model's ancestors and children."""

    #: The oldest first, the model's parent last.
    ancestors: Sequence[Model]
    #: The first ancestor's parent has been deleted.
    broken: bool
    children: Sequence[Model]


def trace(models: Models, model: Model) -> Lineage:
    """Return a model's ancestors and children."""
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
