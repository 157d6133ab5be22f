"""What a process keeps from one writing job to the next: its model, and the corpus that its texts are held against.

Somebody who lets a model write does so again. Model folders and texts never change under their ids, so what is kept
stays true as long as the volume still has them; whether it has is asked each time. Only small ones are kept, and none
beside a training.
"""

from shared.errors import NotFound
from shared.text.vocabulary import normalise
from shared.volume import Model, Volume
from worker.formats.bundle import load_model
from worker.generation.loaded import LoadedModel
from worker.generation.overlap import COPIED_RUN
from worker.generation.substring_index import MAX_CHARS as MAX_CHARS_IN_ORDER
from worker.generation.substring_index import SubstringIndex

#: Numbers of a model that is kept (4 bytes each), characters of a text.
MAX_PARAMETERS, MAX_CHARS = 16 << 20, 4 << 20


class Source:
    """The text that a model learnt from, as it saw it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._asked = 0
        self._runs: SubstringIndex | None = None

    def runs(self) -> SubstringIndex | None:
        """Return its runs in order, from the second time on that somebody asks: for one look they don't pay."""
        self._asked += 1
        if self._asked == 2 and 0 < len(self.text) <= MAX_CHARS_IN_ORDER:
            try:
                self._runs = SubstringIndex(self.text, COPIED_RUN)
            except ValueError:
                self._runs = None
        return self._runs


class ModelCache:
    """What one process keeps. One job at a time."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._model: tuple[str, LoadedModel] | None = None
        self._source: tuple[tuple[str, bool], Source] | None = None

    def clear(self) -> None:
        """Keep nothing: its place is needed."""
        self._model = self._source = None

    def model(self, model: Model) -> LoadedModel:
        """Return a model, ready to write. Raises NotFound, BadModelFile, VolumeUnavailable."""
        if self._model is not None and self._model[0] == model.id:
            return self._model[1]
        self._model = None
        loaded = load_model(self._volume.models.folder(model.id))
        if model.parameters <= MAX_PARAMETERS:
            self._model = model.id, loaded
        return loaded

    def source(self, model: Model) -> Source | None:
        """Return the text that a model learnt from, or None: it is gone. Raises VolumeUnavailable."""
        if model.corpus_id is None:
            return None
        lowercase = bool(model.params.get("lowercase", True))
        key = model.corpus_id, lowercase
        if self._source is not None and self._source[0] == key and self._volume.corpora.find(model.corpus_id):
            return self._source[1]
        self._source = None
        try:
            source = Source(normalise(self._volume.corpora.text(model.corpus_id), lowercase=lowercase))
        except NotFound:
            return None
        if len(source.text) <= MAX_CHARS:
            self._source = key, source
        return source
