"""The facts about several models, side by side in a table that shows what differs."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.volume import Model
from web.pages import formatting
from web.pages.form_fields import label_of
from web.services import Services

#: Options that are shown elsewhere, or that nobody chose.
_APART = ("name", "corpus_id", "metadata", "webhook", "init_from")


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One row of the table."""

    name: str
    #: One for each model, formatted.
    values: Sequence[str]

    @property
    def differs(self) -> bool:
        """Whether the models differ in it."""
        return any(value != self.values[0] for value in self.values)


def facts_of(here: Services, models: Sequence[Model]) -> Sequence[Fact]:
    """Return the rows: losses, sizes, corpora and options."""
    corpora = [here.volume.corpora.find(model.corpus_id) if model.corpus_id else None for model in models]
    names = dict.fromkeys(name for model in models for name in model.params if name not in _APART)
    return [
        Fact(name="Validation loss", values=[formatting.loss(model.losses.validation) for model in models]),
        Fact(name="N-gram loss", values=[formatting.loss(_ngram_loss(model)) for model in models]),
        Fact(name="Training loss", values=[formatting.loss(model.losses.train) for model in models]),
        Fact(name="Best epoch", values=[formatting.option(model.losses.best_epoch) for model in models]),
        Fact(name="Parameters", values=[formatting.number(model.parameters) for model in models]),
        Fact(name="Text", values=[corpus.name if corpus else formatting.NOTHING for corpus in corpora]),
        Fact(name="Vocabulary", values=[formatting.number(len(model.vocabulary)) for model in models]),
        *(
            Fact(name=label_of(name), values=[formatting.option(model.params.get(name)) for model in models])
            for name in names
        ),
    ]


def _ngram_loss(model: Model) -> float | None:
    return model.losses.baselines.ngram.loss if model.losses.baselines else None
