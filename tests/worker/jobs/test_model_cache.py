"""What a process keeps from one writing job to the next is never more, and never other, than the volume has."""

import pytest

from shared.jobs.record import Job
from shared.volume import Corpus
from tests.worker.cluster import Cluster
from worker.jobs import model_cache as module
from worker.jobs.model_cache import ModelCache

pytestmark = pytest.mark.usefixtures("steady_worker")


def test_a_model_is_read_once_until_another_comes_or_all_is_cleared(
    cluster: Cluster, made: Job, corpus: Corpus
) -> None:
    other_job = cluster.ended(cluster.train(corpus, epochs=1))
    model_cache, model = ModelCache(cluster.volume), cluster.volume.models.get(made.model_id)
    first = model_cache.model(model)
    assert model_cache.model(model) is first
    other = model_cache.model(cluster.volume.models.get(other_job.model_id))
    assert other is not first
    again = model_cache.model(model)
    assert again is not first
    model_cache.clear()
    assert model_cache.model(model) is not again


def test_what_is_large_is_not_kept(cluster: Cluster, made: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PARAMETERS", 1)
    monkeypatch.setattr(module, "MAX_CHARS", 1)
    model_cache, model = ModelCache(cluster.volume), cluster.volume.models.get(made.model_id)
    assert model_cache.model(model) is not model_cache.model(model)
    assert model_cache.source(model) is not model_cache.source(model)


def test_a_corpus_is_kept_put_in_order_once_it_is_asked_again_and_gone_when_it_is_deleted(cluster: Cluster) -> None:
    # Given
    own = cluster.corpus_of("a text of this test's own, " * 100)
    model = cluster.volume.models.get(cluster.ended(cluster.train(own, epochs=1)).model_id)
    model_cache = ModelCache(cluster.volume)
    # When
    source = model_cache.source(model)
    # Then
    assert source is not None
    assert source.text == "a text of this test's own, " * 100
    assert source.runs() is None
    runs = source.runs()
    assert runs is not None
    assert source.runs() is runs
    assert model_cache.source(model) is source
    cluster.volume.corpora.delete(own.id)
    assert model_cache.source(model) is None
