"""The data volume that all hosts share: corpora, models and the files of jobs. Only this package knows its folders."""

from shared.volume.corpora import Corpora
from shared.volume.corpus_record import Corpus, Source
from shared.volume.job_folders import JobFolders, SavedState
from shared.volume.models import Model, Models
from shared.volume.volume import Volume

__all__ = ["Corpora", "Corpus", "JobFolders", "Model", "Models", "SavedState", "Source", "Volume"]
