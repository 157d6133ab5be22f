"""What models are, side by side: a table of words, from which those who compare see what differs."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.volume import Model
from web.pages import formatting
from web.pages.form_fields import label_of
from web.services import Services

#: Told elsewhere, or nobody's choice.
_APART = ("name", "corpus_id", "metadata", "webhook", "init_from")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of the table: what it is, and what it is for each model."""

    name: str
    #: A word for each model.
    values: Sequence[str]

    @property
    def differs(self) -> bool:
        """Whether the models aren't all the same in it."""
        return any(value != self.values[0] for value in self.values)


def facts_of(here: Services, models: Sequence[Model]) -> Sequence[Fact]:
    """Return what is known of models, a line a fact: how good, how large, of which text, with which options."""
    corpora = [here.volume.corpora.find(model.corpus_id) if model.corpus_id else None for model in models]
    names = dict.fromkeys(name for model in models for name in model.params if name not in _APART)
    return [
        Fact(name="Validation loss", values=[formatting.loss(model.losses.get("validation")) for model in models]),
        Fact(name="Training loss", values=[formatting.loss(model.losses.get("train")) for model in models]),
        Fact(name="Best epoch", values=[formatting.option(model.losses.get("best_epoch")) for model in models]),
        Fact(name="Parameters", values=[formatting.number(model.parameters) for model in models]),
        Fact(name="Text", values=[corpus.name if corpus else formatting.NOTHING for corpus in corpora]),
        Fact(name="Characters it knows", values=[formatting.number(len(model.vocabulary)) for model in models]),
        *(
            Fact(name=label_of(name), values=[formatting.option(model.params.get(name)) for model in models])
            for name in names
        ),
    ]
