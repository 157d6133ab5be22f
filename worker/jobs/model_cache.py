"""Keeps the model of the last generate job, and the index of the corpus that its texts are compared with.

One generated text is usually followed by another. Models and corpora never change under their ids, so the cache is
valid as long as they exist, which is checked each time. Only small models are kept, and nothing during a training. An
index is mapped from the volume and takes no memory that isn't needed elsewhere.
"""

from shared.volume import Model, Volume
from worker.formats.bundle import BUNDLE, load_model
from worker.generation.loaded import LoadedModel
from worker.generation.text_index import TextIndex
from worker.jobs.indexing import index_of
from worker.jobs.lease import Lease

#: Parameters of a model that is kept, 4 bytes each.
MAX_PARAMETERS = 16 << 20


class ModelCache:
    """The cache of one process, which runs one job at a time."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._model: tuple[str, LoadedModel] | None = None
        self._index: tuple[tuple[str, bool], TextIndex] | None = None

    def clear(self) -> None:
        """Drop everything: the memory is needed."""
        self._model = self._index = None

    def model(self, model: Model) -> LoadedModel:
        """Return a model, ready to generate. Raises NotFound, BadModelFile, VolumeUnavailable."""
        if self._model is not None and self._model[0] == model.id:
            return self._model[1]
        self._model = None
        loaded = load_model(self._volume.models.folder(model.id, BUNDLE))
        if model.parameters <= MAX_PARAMETERS:
            self._model = model.id, loaded
        return loaded

    def index(self, model: Model, lease: Lease) -> TextIndex | None:
        """Return the index of the text that a model was trained on, built if need be; None if the text is deleted.

        Raises StopRequested, LeaseLost, VolumeUnavailable.
        """
        if model.corpus_id is None:
            return None
        lowercase = bool(model.params.get("lowercase", True))
        key = model.corpus_id, lowercase
        if self._index is None or self._index[0] != key or self._volume.corpora.find(model.corpus_id) is None:
            self._index = None
            index = index_of(self._volume.corpora, model.corpus_id, lowercase=lowercase, lease=lease)
            if index is None:
                return None
            self._index = key, index
        return self._index[1]
