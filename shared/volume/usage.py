"""How much each caller stores on the volume: the texts and models that say whose they are.

Counted from the volume itself, so nothing can drift: a listing finds what is new and what was deleted, and the record
of each text and model is read once in the life of a process, since neither its size nor its owner ever changes.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from shared.volume.corpora import Corpora
from shared.volume.models import Model, Models
from shared.volume.volume import Volume

#: Bytes of a weight.
_WEIGHT_BYTES = 4
_Found: TypeAlias = dict[str, tuple[str, int]]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What a caller stores."""

    texts: int = 0
    models: int = 0
    #: Of texts and models together.
    bytes: int = 0


class VolumeUsage:
    """Counts. Any method but `last` raises VolumeUnavailable."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._lock = threading.Lock()
        #: Id -> owner and bytes.
        self._texts: _Found = {}
        self._models: _Found = {}

    def refresh(self) -> None:
        """Find what is new and what was deleted."""
        corpora, models = self._volume.corpora, self._volume.models
        with self._lock:
            _update(self._texts, corpora.ids(), lambda one: _of_text(corpora, one))
            _update(self._models, models.ids(), lambda one: _of_model(models, one))

    def of(self, owner: str | None) -> Stored:
        """Return what a caller stores now; None: what is stored by all."""
        self.refresh()
        with self._lock:
            texts, models = (
                [size for whose, size in found.values() if owner in (None, whose)] for found in self._all()
            )
        return Stored(texts=len(texts), models=len(models), bytes=sum(texts) + sum(models))

    def last(self) -> Mapping[str, Stored]:
        """Return what each owner stored at the last count, without reading the volume; "": without an owner."""
        with self._lock:
            texts, models = (list(found.values()) for found in self._all())
        return {
            owner: Stored(
                texts=sum(whose == owner for whose, _ in texts),
                models=sum(whose == owner for whose, _ in models),
                bytes=sum(size for whose, size in texts + models if whose == owner),
            )
            for owner in {whose for whose, _ in texts + models}
        }

    def _all(self) -> tuple[_Found, _Found]:
        return self._texts, self._models


def model_bytes(model: Model) -> int:
    """Return what a model takes: its files to download, and its weights once more."""
    return sum(file.bytes for file in model.files.values()) + _WEIGHT_BYTES * model.parameters


def _update(found: _Found, names: Sequence[str], read: Callable[[str], tuple[str, int] | None]) -> None:
    listed = set(names)
    for gone in found.keys() - listed:
        del found[gone]
    for new in listed - found.keys():
        if (one := read(new)) is not None:
            found[new] = one


def _of_text(corpora: Corpora, corpus_id: str) -> tuple[str, int] | None:
    corpus = corpora.find(corpus_id)
    return None if corpus is None else (corpus.owner, corpus.bytes)


def _of_model(models: Models, model_id: str) -> tuple[str, int] | None:
    model = models.find(model_id)
    return None if model is None else (model.owner, model_bytes(model))
