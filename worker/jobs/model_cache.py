"""Keeps the model of the last generate job, and the corpus that its texts are compared with.

Whoever generates a text usually generates another one. Models and corpora never change under their ids, so the cache is
valid as long as they exist, which is checked each time. Only small ones are kept, and none during a training.
"""

from shared.errors import NotFound
from shared.text.vocabulary import normalise
from shared.volume import Model, Volume
from worker.formats.bundle import load_model
from worker.generation.loaded import LoadedModel
from worker.generation.overlap import COPIED_RUN
from worker.generation.substring_index import MAX_CHARS as MAX_CHARS_IN_ORDER
from worker.generation.substring_index import SubstringIndex

#: Parameters of a model that is kept (4 bytes each), and characters of a text.
MAX_PARAMETERS, MAX_CHARS = 16 << 20, 4 << 20


class Source:
    """The text that a model was trained on, as the training read it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._asked = 0
        self._runs: SubstringIndex | None = None

    def runs(self) -> SubstringIndex | None:
        """Return the index of the text, from the second call on: for a single use it costs more than it saves."""
        self._asked += 1
        if self._asked == 2 and 0 < len(self.text) <= MAX_CHARS_IN_ORDER:
            try:
                self._runs = SubstringIndex(self.text, COPIED_RUN)
            except ValueError:
                self._runs = None
        return self._runs


class ModelCache:
    """The cache of one process, which runs one job at a time."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._model: tuple[str, LoadedModel] | None = None
        self._source: tuple[tuple[str, bool], Source] | None = None

    def clear(self) -> None:
        """Drop everything: the memory is needed."""
        self._model = self._source = None

    def model(self, model: Model) -> LoadedModel:
        """Return a model, ready to generate. Raises NotFound, BadModelFile, VolumeUnavailable."""
        if self._model is not None and self._model[0] == model.id:
            return self._model[1]
        self._model = None
        loaded = load_model(self._volume.models.folder(model.id))
        if model.parameters <= MAX_PARAMETERS:
            self._model = model.id, loaded
        return loaded

    def source(self, model: Model) -> Source | None:
        """Return the text that a model was trained on; None if it was deleted. Raises VolumeUnavailable."""
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
